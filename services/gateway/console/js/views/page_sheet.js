// A page as it looks, with the boxes of what was found on it, and the way to other pages.
import { get } from "../api.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { t } from "../i18n.js";
import { useLoaded } from "../loading.js";
import { Check, Picture } from "../ui.js";

export function PageSheet({ document, page, total, turn, chunks, lit, cited }) {
  const [all, showAll] = useState(true);
  const { data } = useLoaded((signal) => get(`/api/documents/${document.documentId}/pages`, { page, limit: 1 }, signal), [document.documentId, page]);
  const sheet = data?.pages[0]?.number === page ? data.pages[0] : null;
  const preview = `/api/documents/${document.documentId}/previews/${page}`;
  const place = useRef(null);
  useEffect(() => {
    // A citation that opens the page opens it where it points to.
    if (sheet && cited.length) place.current?.querySelector(".box.cited")?.scrollIntoView({ block: "center" });
  }, [sheet, cited]);
  const keys = (event) => {
    const step = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
    if (!step || event.target.tagName === "INPUT") return;
    event.preventDefault();
    turn(page + step);
  };
  return html`<section class="sheet" aria-label=${t("page.sheet")} onKeyDown=${keys}>
    <div class="sheet-tools">
      <button type="button" aria-label=${t("page.former")} disabled=${page <= 1} onClick=${() => turn(page - 1)}>←</button>
      <label>${t("page")} <input type="number" min="1" max=${total} value=${page} onChange=${(event) => turn(event.currentTarget.valueAsNumber)} /> / ${total}</label>
      <button type="button" aria-label=${t("page.next")} disabled=${page >= total} onClick=${() => turn(page + 1)}>→</button>
      <${Check} label=${t("page.boxes")} value=${all} onChange=${showAll} />
    </div>
    <div class="paper" ref=${place} tabindex="0" role="group" aria-label=${t("page.picture", { page })}>
      <div class="canvas">
      <${Picture} path=${preview} alt=${t("page.picture", { page })} />
      ${sheet && html`<div class="boxes" aria-hidden="true">
        ${all && chunks.flatMap((chunk) => chunk.boxes.filter(([on]) => on === page).map((box, at) => html`<${Box} key=${`${chunk.chunk_id} ${at}`} sheet=${sheet} box=${box[3]} />`))}
        ${cited.map((box, at) => html`<${Box} key=${`cited ${at}`} sheet=${sheet} box=${box} kind="cited" />`)}
        ${lit.map((box, at) => html`<${Box} key=${`lit ${at}`} sheet=${sheet} box=${box} kind="lit" />`)}
      </div>`}
      </div>
    </div>
    ${sheet && html`<p class="quiet sheet-about">
      ${sheet.label && sheet.label !== String(page) && html`${t("page.label")} ${sheet.label} · `}
      ${t("page.read", { method: sheet.method, percent: Math.round(100 * sheet.confidence) })}
      ${sheet.error && html` · <strong>${sheet.error}</strong>`}
      ${sheet.warnings.map((warning) => html` · ${warning}`)}
    </p>`}
  </section>`;
}

/** A box in points from the sheet's top left, as a share of the sheet. */
function Box({ sheet, box: [x0, y0, x1, y1], kind = "" }) {
  const style = {
    left: `${(100 * x0) / sheet.width}%`,
    top: `${(100 * y0) / sheet.height}%`,
    width: `${(100 * (x1 - x0)) / sheet.width}%`,
    height: `${(100 * (y1 - y0)) / sheet.height}%`,
  };
  return html`<div class=${`box ${kind}`} style=${style}></div>`;
}
