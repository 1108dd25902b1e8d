// Records that were found in a document, and the editor: what a person says is kept, no machine overrides it.
import { get, send } from "../api.js";
import { html, useState } from "../html.js";
import { moment, t } from "../i18n.js";
import { useLoaded } from "../loading.js";
import { may } from "../store.js";
import { Busy, Check, Empty, Field, Trouble } from "../ui.js";

export function Records({ document, turn }) {
  const [gone, showGone] = useState(false);
  const path = `/api/documents/${document.documentId}/records`;
  const { data, error, loading, again } = useLoaded((signal) => get(path, { deleted: gone, limit: 500 }, signal), [document.documentId, gone]);
  if (!data) return html`<${Busy} on=${loading} /><${Trouble} error=${error} />`;
  return html`<div class="filters"><${Check} label=${t("records.deleted")} value=${gone} onChange=${showGone} /></div>
    ${!data.records.length && html`<${Empty}>${t("records.none")}<//>`}
    <ul class="plain">${data.records.map((row) => html`<li key=${row.recordId}><${Record} row=${row} turn=${turn} onChanged=${again} /></li>`)}</ul>
    ${data.total > data.records.length && html`<p class="quiet">${t("records.first", { count: data.records.length, total: data.total })}</p>`}`;
}

function Record({ row, turn, onChanged }) {
  const [values, edit] = useState(null);
  const [error, fail] = useState(null);
  const save = async (change) => {
    fail(null);
    try {
      await send("PATCH", `/api/records/${row.recordId}`, { ...change, by: "console" });
      edit(null);
      onChanged();
    } catch (problem) {
      fail(problem);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    try {
      const changed = Object.entries(values)
        .filter(([name, given]) => given !== written(row.values[name]))
        .map(([name, given]) => [name, meant(given, row.values[name])]);
      if (changed.length) save({ values: Object.fromEntries(changed) });
      else edit(null);
    } catch {
      fail(new Error(t("records.unreadable")));
    }
  };
  const begin = () => edit(Object.fromEntries(Object.entries(row.values).map(([name, value]) => [name, written(value)])));
  const { page, quote, verified } = row.citation;
  return html`<article class=${`record ${row.deleted ? "gone" : ""}`}>
    <form onSubmit=${submit}>
      <dl class="facts">${Object.entries(row.values).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>
        ${values ? html`<${Field} label=${html`<span class="hidden">${name}</span>`}><textarea rows="1" value=${values[name]} onInput=${(event) => edit({ ...values, [name]: event.currentTarget.value })}></textarea><//>` : written(value) || "–"}
      </dd></div>`)}</dl>
      ${quote && html`<blockquote>${quote} ${page > 0 && html`<button type="button" class="linklike" onClick=${() => turn(page)}>${t("page")} ${page}</button>`}
        <span class=${`badge ${verified ? "completed" : "failed"}`}>${verified ? t("records.verified") : t("records.unverified")}</span></blockquote>`}
      <${Trouble} error=${error} />
      <p class="buttons">
        ${values ? html`<button class="primary" type="submit">${t("action.save")}</button><button type="button" onClick=${() => edit(null)}>${t("action.back")}</button>` : ""}
        ${!values && may("write") && !row.deleted && html`<button type="button" onClick=${begin}>${t("action.edit")}</button>`}
        ${!values && may("write") && html`<button type="button" onClick=${() => save({ deleted: !row.deleted })}>${row.deleted ? t("action.restore") : t("action.delete")}</button>`}
        ${row.edited && html`<span class="quiet">${t("records.edited", { at: moment(row.editedAt), by: row.editedBy || "–" })}</span>`}
      </p>
    </form>
  </article>`;
}

/** A value as it is edited: texts as they are, all else as JSON. */
function written(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What was typed, as the kind of value that was there. */
function meant(given, former) {
  if (given.trim() === "") return null;
  return typeof former === "string" || former === null || former === undefined ? given : JSON.parse(given);
}
