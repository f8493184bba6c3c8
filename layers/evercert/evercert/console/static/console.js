// Behaviour that HTML lacks; every page works without it.
"use strict";

// The form token of the page, for requests of htmx that change something.
document.addEventListener("htmx:configRequest", (event) => {
  const field = document.querySelector("input[name=csrf]");
  if (field && event.detail.verb !== "get") event.detail.headers["X-CSRF-Token"] = field.value;
});

// The part of a page that loads itself again waits while a person is in one of its forms.
document.addEventListener("htmx:beforeRequest", (event) => {
  const focused = document.activeElement;
  const part = event.target;
  if (part.id === "certificate" && focused && part.contains(focused) && focused.matches("input, select, textarea")) {
    event.preventDefault();
  }
});

// An edited document needs another plan: "Apply" has the text of the plan that is shown.
document.addEventListener("input", (event) => {
  const apply = document.getElementById("apply");
  if (event.target.name !== "document" || !apply) return;
  apply.hidden = true;
  document.getElementById("replan").hidden = false;
});

// The console ended, or this page is of an earlier one.
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, (event) => {
    const poll = document.querySelector("#poll td") ?? event.target.querySelector("td.quiet");
    if (poll) poll.textContent = "no answer: load the page again, or start evercert console again";
  });
}

const MOST_ROWS = 500;
document.addEventListener("htmx:afterSettle", () => {
  const rows = document.getElementById("events");
  while (rows && rows.rows.length > MOST_ROWS) rows.deleteRow(-1);
});
