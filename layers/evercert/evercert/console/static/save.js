// Links that save the text of a field as a file. They stay hidden without scripts: the text can be copied.
for (const link of document.querySelectorAll("[data-saves]")) {
  const { value } = document.getElementById(link.dataset.saves);
  link.href = URL.createObjectURL(new Blob([value], { type: "application/x-pem-file" }));
  link.hidden = false;
}
