// What a document says: a page's text, its chunks, and the chapters.
import { html, useState } from "../html.js";
import { number, t } from "../i18n.js";
import { Markdown } from "../markdown.js";
import { Busy, Check, Empty } from "../ui.js";

export function PageText({ text, picture, loading, page }) {
  const [source, show] = useState(false);
  if (text === undefined) return loading ? html`<${Busy} on />` : html`<${Empty}>${t("text.none")}<//>`;
  return html`<div class="filters"><${Check} label=${t("text.source")} value=${source} onChange=${show} /></div>
    ${!text && html`<${Empty}>${t("text.empty")}<//>`}
    ${source ? html`<pre class="wrapped" tabindex="0">${text}</pre>` : html`<${Markdown} key=${page} text=${text} picture=${picture} />`}`;
}

export function Chunks({ rows, page, light }) {
  if (!rows) return html`<${Busy} on />`;
  if (!rows.length) return html`<${Empty}>${t("chunks.none")}<//>`;
  return html`<ol class="cards">
    ${rows.map((row) => {
      const boxes = row.boxes.filter(([on]) => on === page).map((box) => box[3]);
      return html`<li key=${row.chunk_id}>
        <button type="button" class="card" onMouseEnter=${() => light(boxes)} onFocus=${() => light(boxes)} onMouseLeave=${() => light([])} onBlur=${() => light([])} onClick=${() => light(boxes)}>
          <span class="card-head"><strong>${row.chapter.join(" / ") || t("chunks.no_chapter")}</strong>
            <span class="quiet">${t("chunks.tokens", { count: number(row.tokens) })}</span></span>
          <span class="card-text">${row.text}</span>
        </button>
      </li>`;
    })}
  </ol>`;
}

export function Chapters({ chapters, page, turn }) {
  if (!chapters.length) return html`<${Empty}>${t("chapters.none")}<//>`;
  return html`<ol class="chapters">
    ${chapters.map((chapter, at) => {
      const here = chapter.startPage <= page && page <= chapter.endPage;
      return html`<li key=${at} class=${`level-${Math.min(3, chapter.level || 1)}`}>
        <button type="button" class="linklike" aria-current=${here ? "true" : undefined} onClick=${() => turn(chapter.startPage)}>${chapter.title}</button>
        <span class="quiet">${chapter.startPage === chapter.endPage ? `${t("page")} ${chapter.startPage}` : `${t("pages")} ${chapter.startPage}–${chapter.endPage}`}</span>
        ${chapter.summary && html`<p>${chapter.summary}</p>`}
      </li>`;
    })}
  </ol>`;
}
