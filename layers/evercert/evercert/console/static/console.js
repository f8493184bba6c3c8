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
