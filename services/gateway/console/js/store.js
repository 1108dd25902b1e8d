// What the browser keeps: the key for as long as the tab lives, language and colours for longer.
import { useEffect, useState } from "./html.js";

const KEY = "shadowtwin.key";
const listeners = new Set();

/** A value that components are drawn again for; `keep` writes it where it outlives the page. */
function held(initial, keep = () => {}) {
  let value = initial;
  return {
    get: () => value,
    set(next) {
      value = next;
      keep(next);
      for (const listener of [...listeners]) listener();
    },
  };
}

/** Storage may be switched off: then nothing is kept, and all else works. */
function kept(place, name) {
  try {
    return place.getItem(name) || "";
  } catch {
    return "";
  }
}

function keeper(place, name) {
  return (value) => {
    try {
      if (value) place.setItem(name, value);
      else place.removeItem(name);
    } catch {
      // as above
    }
  };
}

/** The API key. sessionStorage: it is gone with the tab, and no other site or tab sees it. */
export const key = held(kept(sessionStorage, KEY), keeper(sessionStorage, KEY));

/** What the key opens: {id, scopes, libraries}; null until the gateway has said so. */
export const access = held(null);

const preferred = (navigator.language || "en").toLowerCase().startsWith("de") ? "de" : "en";
export const language = held(
  kept(localStorage, "shadowtwin.language") || preferred,
  keeper(localStorage, "shadowtwin.language"),
);

/** "" as the system has it, "light" or "dark". */
export const colours = held(
  kept(localStorage, "shadowtwin.colours"),
  keeper(localStorage, "shadowtwin.colours"),
);

/** Draws the component again whenever one of the values above changes. */
export function useStore() {
  const [, again] = useState(0);
  useEffect(() => {
    const listener = () => again((count) => count + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
}

/** Whether the key has the scope; unknown counts as yes, the gateway decides anyway. */
export function may(scope) {
  return !access.get() || access.get().scopes.includes(scope);
}
