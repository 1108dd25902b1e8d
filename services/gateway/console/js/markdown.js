// Markdown of documents, which may mean harm: parsed by marked, cleaned by DOMPurify, and then only what a page of text
// needs is left. No HTML of a document is shown as HTML, links leave the console, pictures are those of the twin.
import DOMPurify from "../vendor/dompurify.js";
import { Marked } from "../vendor/marked.js";
import { html, render, useEffect, useRef } from "./html.js";
import { Picture } from "./ui.js";

const TAGS = "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr img li ol p pre s strong sub sup table tbody td th thead tr ul".split(" ");
const ATTRIBUTES = ["href", "src", "alt", "title", "align", "start"];
const IMAGE = /^images\/([A-Za-z0-9][A-Za-z0-9._-]{0,199})$/;

const escaped = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const parser = new Marked({
  gfm: true,
  renderer: { html: ({ text }) => escaped(text) },
});

/** Clean nodes of a Markdown text, without any picture loaded. */
export function nodes(markdown) {
  const fragment = DOMPurify.sanitize(parser.parse(markdown), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|images\/)/i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const anchor of fragment.querySelectorAll("a")) outward(anchor);
  // The page has a heading of its own: those of the document stand below it.
  for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) lower(heading);
  for (const table of fragment.querySelectorAll("table")) framed(table);
  return fragment;
}

function outward(anchor) {
  if (/^(?:https?:|mailto:)/i.test(anchor.getAttribute("href") || "")) {
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer nofollow";
  } else {
    anchor.removeAttribute("href");
  }
}

function lower(heading) {
  const level = Math.min(6, Number(heading.tagName[1]) + 2);
  const made = document.createElement(`h${level}`);
  made.className = `was-${heading.tagName.toLowerCase()}`;
  made.append(...heading.childNodes);
  heading.replaceWith(made);
}

function framed(table) {
  const frame = document.createElement("div");
  frame.className = "scroll";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", table.querySelector("th, td")?.textContent.trim() || "table");
  table.replaceWith(frame);
  frame.append(table);
}

/** A text of a document; `picture(name)` gives the API's path of one of its pictures. */
export function Markdown({ text, picture }) {
  const place = useRef(null);
  useEffect(() => {
    const roots = [];
    const fragment = nodes(text);
    for (const image of fragment.querySelectorAll("img")) {
      const [, name] = IMAGE.exec(image.getAttribute("src") || "") || [];
      const frame = document.createElement("span");
      frame.className = "figure";
      if (name && picture) {
        render(html`<${Picture} path=${picture(name)} alt=${image.alt} />`, frame);
        roots.push(frame);
      } else {
        frame.textContent = image.alt;
      }
      image.replaceWith(frame);
    }
    place.current.replaceChildren(fragment);
    return () => roots.forEach((root) => render(null, root));
  }, [text]);
  return html`<div class="markdown" ref=${place}></div>`;
}

/** {pages: {number: text}, chapters} of a twin: its pages by their anchors, its chapters from the frontmatter. */
export function parts(twin) {
  const [, head = "", body = twin] = /^---\n([\s\S]*?)\n---\n?([\s\S]*)$/.exec(twin) || [];
  const pages = {};
  let current = 0;
  let rows = [];
  const close = () => current && (pages[current] = rows.join("\n").trim());
  for (const line of body.split("\n")) {
    const anchor = /^--- Seite (\d+) ---$/.exec(line);
    if (anchor) {
      close();
      current = Number(anchor[1]);
      rows = [];
    } else {
      rows.push(line);
    }
  }
  close();
  return { pages, chapters: chaptersOf(head) };
}

function chaptersOf(head) {
  const [, list] = /^chapters: (\[.*\])$/m.exec(head) || [];
  try {
    return JSON.parse(list).filter((chapter) => chapter && typeof chapter.title === "string");
  } catch {
    return [];
  }
}
