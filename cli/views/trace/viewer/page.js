"use strict";
// Keys: up and down move between spans, right and left open and close one; without this script Tab and Enter do the same.
const rows = Array.from(document.querySelectorAll("main summary"));
document.getElementById("open").addEventListener("click", () => rows.forEach((row) => { row.parentElement.open = true; }));
document.getElementById("close").addEventListener("click", () => rows.forEach((row) => { row.parentElement.open = false; }));
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || rows.length === 0) return;
  const place = rows.indexOf(document.activeElement);
  const last = rows.length - 1;
  const next = { ArrowDown: Math.min(place + 1, last), ArrowUp: Math.max(place - 1, 0), Home: 0, End: last }[event.key];
  if (next !== undefined) {
    rows[next].focus();
  } else if (place >= 0 && event.key === "ArrowRight") {
    rows[place].parentElement.open = true;
  } else if (place >= 0 && event.key === "ArrowLeft") {
    rows[place].parentElement.open = false;
  } else {
    return;
  }
  event.preventDefault();
});
const matched = document.querySelector(".matched > summary");
if (matched) matched.focus({ preventScroll: false });
