// Elements from data. Text is only ever set as text: nothing from an answer becomes markup.

export const at = (id) => document.getElementById(id);

/** An element: properties are set, `data` and `aria` become attributes, children are elements or text. */
export function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(data)) made.dataset[name] = value;
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Put these children into a place instead of what is there. */
export const fill = (place, ...children) => place.replaceChildren(...children.filter((child) => child !== null));

/** A moment as an age. */
export function ago(moment, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(moment).getTime()) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

export const clock = (moment) => new Date(moment).toLocaleTimeString();

/** Milliseconds or seconds, as short as it can be read. */
export const time = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`);

/** Words with commas between them, those that are empty left out. */
export const words = (...parts) => parts.filter(Boolean).join(" · ");

/** Call it every so often while the page is looked at. */
export function every(ms, call) {
  const round = async () => {
    if (!document.hidden) await call().catch(() => {});
    setTimeout(round, ms);
  };
  round();
}
