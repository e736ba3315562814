// The code of a one-time link stands behind the #, which browsers send to nobody: it goes into the form, and out of the address.
const form = document.getElementById("sign-in");
const code = window.location.hash.slice(1);
if (form !== null && code !== "") {
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  form.elements.namedItem("secret").value = code;
  form.requestSubmit();
}
