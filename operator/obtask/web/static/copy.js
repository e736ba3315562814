// Copies lines that are there to be typed. Browsers have a clipboard only where a page came by TLS, or from the same machine.
if (navigator.clipboard !== undefined) {
  document.documentElement.classList.add("can-copy");
}

document.addEventListener("click", async (event) => {
  const place = event.target.closest("button.copy")?.closest(".to-type");
  if (!place) return;
  for (const told of document.querySelectorAll(".copied")) told.textContent = "";
  const told = place.querySelector(".copied");
  try {
    await navigator.clipboard.writeText(place.querySelector("pre").textContent);
    told.textContent = told.dataset.done;
  } catch {
    told.textContent = told.dataset.failed;
  }
});
