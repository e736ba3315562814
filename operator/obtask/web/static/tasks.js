// Keys of the list: j and k move, Enter opens, f shows what failed, / searches. The filters submit themselves.
(() => {
"use strict";
const rows = () => [...document.querySelectorAll("#rows > tr")];
let current = "";

function select(step) {
  const all = rows(), at = all.findIndex((row) => row.id === current);
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  if (!next) return;
  current = next.id;
  next.querySelector("a.name").focus();
}

document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("#rows > tr");
  if (row) current = row.id;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=radio], [type=checkbox]), select, textarea, dialog")) return;
  if (event.key === "j") select(1);
  else if (event.key === "k") select(-1);
  else if (event.key === "f") document.querySelector("#filters input[value=failed]")?.click();
  else if (event.key === "/") document.querySelector("#filters [name=q]").focus();
  else return;
  event.preventDefault();
});

document.querySelector(".keys").hidden = false;
document.addEventListener("htmx:after:swap", () => { document.querySelector(".keys").hidden = false; });
})();
