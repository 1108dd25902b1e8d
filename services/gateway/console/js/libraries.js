// The libraries that the key reaches, for filters and forms.
import { get } from "./api.js";
import { html } from "./html.js";
import { number, t } from "./i18n.js";
import { useLoaded } from "./loading.js";
import { access } from "./store.js";
import { Choice, Field } from "./ui.js";

export function useLibraries() {
  const { data } = useLoaded((signal) => get("/api/libraries", {}, signal), []);
  return data?.libraries || [];
}

/** One of the libraries, or all. */
export function LibraryFilter({ value, onChange }) {
  const named = useLibraries();
  const total = (row) => Object.values(row.jobs).reduce((sum, count) => sum + count, 0);
  const options = named.map((row) => [row.libraryId, `${row.libraryId} (${number(total(row))})`]);
  if (value && !named.some((row) => row.libraryId === value)) options.unshift([value, value]);
  return html`<${Choice} label=${t("library")} value=${value} onChange=${onChange} options=${[["", t("all")], ...options]} />`;
}

/** One library, which may be a new one. */
export function LibraryName({ value, onChange }) {
  const named = useLibraries();
  return html`<${Field} label=${t("library")}>
    <input list="libraries" value=${value} required pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*" onInput=${(event) => onChange(event.currentTarget.value)} />
    <datalist id="libraries">${named.map((row) => html`<option key=${row.libraryId} value=${row.libraryId}></option>`)}</datalist>
  <//>`;
}

/** The library that a form begins with: the key's own, where it is bound to one. */
export function ownLibrary() {
  const bound = access.get()?.libraries || [];
  return bound.length && bound[0] !== "*" ? bound[0] : "default";
}
