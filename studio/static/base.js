// What every screen shares: requests with errors in words, a line for messages, the command to copy.

/** Send JSON, get JSON; an answer that is no success becomes an Error with its message. */
export async function send(address, body, method = "POST") {
  const isFile = body instanceof Blob || body instanceof FormData;
  const response = await fetch(address, {
    method,
    headers: isFile ? {} : { "content-type": "application/json" },
    body: isFile ? body : JSON.stringify(body ?? {}),
  });
  return answer(response);
}

export async function get(address, options = {}) {
  return answer(await fetch(address, options));
}

async function answer(response) {
  const text = await response.text();
  let document_;
  try {
    document_ = JSON.parse(text);
  } catch {
    document_ = { error: text };
  }
  if (!response.ok) throw new Error(document_.error || response.statusText);
  return document_;
}

/** Show a message in the page's live region; screen readers say it. */
export function say(text, isError = false) {
  const line = document.querySelector("#message");
  line.textContent = text;
  line.classList.toggle("error", isError);
}

/** Run something asynchronous and show what went wrong, if anything. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    say(error.message, true);
    return undefined;
  }
}

export function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Whether a key belongs to a field that is being typed into. */
export function isTyping(event) {
  return event.target.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select") !== null;
}

/** Change the command that this page shows as its equal. */
export function showCommand(text) {
  document.querySelector("#command").textContent = text;
}

document.querySelector("#copy-command").addEventListener("click", () => attempt(async () => {
  await navigator.clipboard.writeText(document.querySelector("#command").textContent);
  say("Copied.");
}));
