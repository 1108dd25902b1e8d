// The API as the console asks it: the key in a header, problems as errors, streams as iterators, uploads with progress.
import { access, key } from "./store.js";

/** What the gateway said was wrong: its stable code, a sentence, and what to do. */
export class ApiError extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code || "unavailable";
    this.hint = body.hint || "";
    this.body = body;
  }
}

export function signOut() {
  access.set(null);
  key.set("");
}

function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) signOut();
  return new ApiError(response.status, body);
}

async function ask(method, path, { query, body, headers = {}, signal } = {}) {
  const sent = { Authorization: `Bearer ${key.get()}`, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "unreachable" });
  }
  if (!response.ok) throw await problem(response);
  return response;
}

export async function get(path, query, signal) {
  return (await ask("GET", path, { query, signal })).json();
}

export async function send(method, path, body, query) {
  return (await ask(method, path, { body, query })).json();
}

/** What a key opens, before it is kept: {id, scopes, libraries}. */
export async function opened(token) {
  return (await ask("GET", "/api/key", { headers: { Authorization: `Bearer ${token}` } })).json();
}

export async function text(path, query, signal) {
  return (await ask("GET", path, { query, signal })).text();
}

export async function blob(path, query, signal) {
  return (await ask("GET", path, { query, signal })).blob();
}

async function* pieces(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function* split(response, separator) {
  let rest = "";
  for await (const piece of pieces(response)) {
    const parts = (rest + piece).split(separator);
    rest = parts.pop();
    yield* parts;
  }
  if (rest.trim()) yield rest;
}

/** Lines of JSON, as they come. */
export async function* lines(path, query, signal) {
  const response = await ask("GET", path, { query, signal, headers: { Accept: "application/x-ndjson" } });
  for await (const line of split(response, "\n")) {
    if (line.trim()) yield JSON.parse(line);
  }
}

/** Server-sent events as {event, id, data}. By fetch, because an EventSource could not send the key in a header. */
export async function* events(path, after, signal) {
  const headers = { Accept: "text/event-stream", ...(after ? { "Last-Event-ID": String(after) } : {}) };
  const response = await ask("GET", path, { headers, signal });
  for await (const frame of split(response, "\n\n")) {
    const found = { event: "message", id: "", data: "" };
    for (const line of frame.split("\n")) {
      const [, name, value] = /^(event|id|data): ?(.*)$/.exec(line) || [];
      if (name) found[name] = value;
    }
    if (found.data) yield { ...found, data: JSON.parse(found.data) };
  }
}

/** A form with a file; `onProgress` is told the share, 0 to 1, that is on its way. fetch cannot tell that yet. */
export function upload(path, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Authorization", `Bearer ${key.get()}`);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // a proxy's page instead of ours: the status has to do
      }
      if (request.status === 401) signOut();
      if (request.status < 300) resolve(body);
      else reject(new ApiError(request.status, body));
    };
    request.onerror = () => reject(new ApiError(0, { code: "unreachable" }));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
