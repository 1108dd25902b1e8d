// What a document shows: its pictures, and its products with theirs.
import { get } from "../api.js";
import { html, useState } from "../html.js";
import { number, t, word } from "../i18n.js";
import { useLoaded } from "../loading.js";
import { Busy, Check, Empty, Facts, More, Picture, Table, Trouble } from "../ui.js";

const PAGE = 60;

/** Rows of a listing of one document, more on demand. */
function useRows(path, name, query, wants) {
  const [pages, set] = useState({ wants: "", rows: [], cursor: null });
  const mark = wants.join(" ");
  const first = useLoaded((signal) => get(path, { ...query, limit: PAGE }, signal), wants);
  const further = pages.wants === mark ? pages : { rows: [], cursor: first.data?.cursor };
  const more = async () => {
    try {
      const page = await get(path, { ...query, limit: PAGE, cursor: further.cursor });
      set({ wants: mark, rows: [...further.rows, ...page[name]], cursor: page.cursor });
    } catch (error) {
      set({ ...further, wants: mark, error });
    }
  };
  return { ...first, error: first.error || further.error, rows: first.data ? [...first.data[name], ...further.rows] : null, cursor: further.cursor, more };
}

export function Images({ document, page, turn, light, picture }) {
  const [here, only] = useState(false);
  const query = { document: document.documentId, page: here ? page : "" };
  const found = useRows("/api/images", "images", query, [document.documentId, query.page]);
  if (!found.rows) return html`<${Busy} on=${found.loading} /><${Trouble} error=${found.error} />`;
  return html`<${Trouble} error=${found.error} /><div class="filters"><${Check} label=${t("images.here")} value=${here} onChange=${only} /></div>
    ${!found.rows.length && html`<${Empty}>${t("images.none")}<//>`}
    <ul class="gallery">
      ${found.rows.map((row) => html`<li key=${`${row.page} ${row.name}`}>
        <button type="button" onClick=${() => (row.page === page ? light([row.bbox]) : turn(row.page))}
          onMouseEnter=${() => row.page === page && light([row.bbox])} onMouseLeave=${() => light([])}>
          <${Picture} path=${picture(row.duplicate_of || row.name)} alt=${row.caption || t("images.unnamed", { name: row.name })} />
          <span>${row.caption || row.name}</span>
          <span class="quiet">${t("page")} ${row.page} · ${row.width} × ${row.height}</span>
          ${(row.products || []).map((product) => html`<${Linked} key=${product.productId} name=${product.name} link=${product} />`)}
        </button>
      </li>`)}
    </ul>
    <${More} cursor=${found.cursor} onMore=${found.more} />`;
}

/** Why a picture and a product belong together, and how sure that is. */
function Linked({ name, link }) {
  return html`<span class="badge plainly" title=${link.detail}>${name} ${number(100 * link.relevancy)} % <span class="quiet">${word("link", link.reason)}</span></span>`;
}

export function Products({ document, page, turn, light, picture }) {
  const found = useRows("/api/products", "products", { document: document.documentId }, [document.documentId]);
  if (!found.rows) return html`<${Busy} on=${found.loading} /><${Trouble} error=${found.error} />`;
  if (!found.rows.length) return html`<${Empty}>${t("products.none")}<//>`;
  const place = (row) => (row.page === page ? light([row.bbox]) : turn(row.page));
  return html`<${Trouble} error=${found.error} /><ul class="plain">
    ${found.rows.map((row) => html`<li key=${row.productId} class="product">
      <h2>${row.name}</h2>
      <p class="quiet">${t("products.sure", { percent: Math.round(100 * row.confidence) })}${" ·"}
        ${row.pages.map((number_) => html` <button type="button" class="linklike" onClick=${() => turn(number_)}>${t("page")} ${number_}</button>`)}</p>
      <${Facts} rows=${Object.entries({ ...row.labels }).map(([name, value]) => [name, shown(value)])} />
      <ul class="gallery small">
        ${row.images.map((image) => html`<li key=${image.image}>
          <button type="button" onClick=${() => place(image)}>
            <${Picture} path=${picture(image.image)} alt=${`${row.name}, ${t("page")} ${image.page}`} />
            <${Linked} name=${`${t("page")} ${image.page}`} link=${image} />
          </button>
        </li>`)}
      </ul>
      ${row.variants.length > 0 && html`<${Table} caption=${`${row.name}: ${t("products.variants")}`} rows=${row.variants} columns=${[
        [t("products.sku"), (variant) => html`<code>${variant.sku}</code>`],
        [t("products.dimension"), (variant) => variant.dimension],
        [t("products.colour"), (variant) => variant.colour],
        [t("products.finish"), (variant) => variant.finish],
        [t("products.price"), (variant) => (variant.price ? `${number(variant.price, 2)} ${variant.currency || ""}` : "–"), "number"],
      ]} />`}
      <details><summary>${t("products.evidence")}</summary><ul>${row.evidence.map((reason) => html`<li key=${reason}>${reason}</li>`)}</ul></details>
    </li>`)}
  </ul>
  <${More} cursor=${found.cursor} onMore=${found.more} />`;
}

function shown(value) {
  return Array.isArray(value) ? value.join(", ") : String(value ?? "");
}
