// Keeps the page fresh and copies codes. It asks for the page itself every two seconds and takes over only the messages
// that are new, so that focus, selection and place stay. Without it, the page reloads as a whole.
const page = document.body.dataset;
const list = document.getElementById("messages");
const status = document.getElementById("status");
const trusted = { createHTML: (html) => html };
const policy = window.trustedTypes?.createPolicy("inbox", trusted) ?? trusted;

function showButtons() {
  for (const button of list.querySelectorAll("button[hidden]")) button.hidden = false;
}

async function refresh() {
  if (document.hidden) return;
  const offline = document.getElementById("offline");
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const html = policy.createHTML(await answer.text());
    take(new DOMParser().parseFromString(html, "text/html").querySelectorAll("#messages > li"));
    offline.hidden = true;
  } catch {
    offline.hidden = false;
  }
}

function take(items) {
  const wanted = new Set([...items].map((item) => item.id));
  for (const item of [...list.children]) if (!wanted.has(item.id)) item.remove();
  let fresh = 0;
  for (const item of [...items].reverse()) {
    if (document.getElementById(item.id)) continue;
    list.prepend(document.importNode(item, true));
    fresh++;
  }
  document.getElementById("empty").hidden = list.children.length > 0;
  showButtons();
  if (fresh) say(page.new);
}

function say(text) {
  status.textContent = "";
  setTimeout(() => { status.textContent = text; }, 100); // an emptied region announces the same words again
}

list.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const digits = button.parentElement.querySelector(".digits");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(page.copied);
  } catch {
    getSelection().selectAllChildren(digits); // no clipboard without https: the digits are one key press from it
  }
});

async function loop() {
  await refresh();
  setTimeout(loop, 2000);
}
document.addEventListener("visibilitychange", refresh);
showButtons();
setTimeout(loop, 2000);
