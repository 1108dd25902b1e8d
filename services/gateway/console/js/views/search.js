// Search: every hit cites its page, and the citation opens the page at the box.
import { send } from "../api.js";
import { html, useState } from "../html.js";
import { number, t } from "../i18n.js";
import { LibraryFilter } from "../libraries.js";
import { useLoaded } from "../loading.js";
import { go, link } from "../router.js";
import { Busy, Check, Choice, Empty, Field, Trouble } from "../ui.js";

const TOPS = ["5", "10", "20", "50"];

export function Search({ query }) {
  const [asked, ask] = useState(query.q || "");
  const wanted = { query: query.q || "", libraryId: query.library || null, top: Number(query.top) || 10, expand: query.expand === "1" };
  const found = useLoaded(
    () => (wanted.query.trim() ? send("POST", "/api/search", wanted) : Promise.resolve(null)),
    [wanted.query, wanted.libraryId, wanted.top, wanted.expand],
  );
  const show = (changes) => go(["search"], { ...query, ...changes }, { replace: true });
  const submit = (event) => {
    event.preventDefault();
    show({ q: asked });
  };
  return html`<h1>${t("nav.search")}</h1>
    <form class="filters" role="search" onSubmit=${submit}>
      <${Field} label=${t("search.query")}>
        <input class="long" type="search" value=${asked} autofocus maxlength="2000" placeholder=${t("search.example")} onInput=${(event) => ask(event.currentTarget.value)} />
      <//>
      <${LibraryFilter} value=${query.library || ""} onChange=${(library) => show({ library })} />
      <${Choice} label=${t("search.top")} value=${String(wanted.top)} onChange=${(top) => show({ top })} options=${TOPS.map((top) => [top, top])} />
      <${Check} label=${t("search.expand")} value=${wanted.expand} onChange=${(on) => show({ expand: on ? "1" : "" })} />
      <button class="primary" type="submit">${t("nav.search")}</button>
    </form>
    <${Trouble} error=${found.error} again=${found.again} />
    <${Busy} on=${found.loading && wanted.query !== ""} />
    ${found.data && !found.data.hits.length && html`<${Empty}>${t("search.none")}<//>`}
    ${found.data && html`<ol class="hits">${found.data.hits.map((hit) => html`<li key=${hit.chunkId + hit.pages[0]}><${Hit} hit=${hit} /></li>`)}</ol>`}`;
}

function Hit({ hit }) {
  const page = hit.pages[0];
  const boxes = hit.boxes.filter((box) => box.page === page).map((box) => box.bbox.map((at) => at.toFixed(1)).join(","));
  const place = link(["documents", hit.documentId], { library: hit.libraryId, page, box: boxes.join(";") });
  return html`<article class="hit">
    <h2><a href=${place}>${hit.name}${page ? `, ${t("page")} ${page}` : ""}</a></h2>
    <p class="quiet">${hit.libraryId}${hit.chapter && ` · ${hit.chapter}`}${" · "}
      <span class=${hit.confident ? "sure" : ""}>${t("search.sure", { percent: number(100 * hit.confidence) })}</span></p>
    <p class="passage">${marked(hit.text, hit.highlights)}</p>
    ${hit.context && html`<details><summary>${t("search.context")}</summary><p class="passage">${hit.context}</p></details>`}
  </article>`;
}

/** The text with what was asked marked. The places count characters, which JavaScript's own indices do not. */
export function marked(text, places) {
  const signs = Array.from(text);
  const shown = [];
  let at = 0;
  for (const [start, end] of places) {
    if (start < at || end > signs.length) continue;
    shown.push(signs.slice(at, start).join(""), html`<mark>${signs.slice(start, end).join("")}</mark>`);
    at = end;
  }
  shown.push(signs.slice(at).join(""));
  return shown;
}
