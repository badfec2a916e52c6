// The one place where a refusal is told.

import { at } from "./dom.js";

/** Do it; what is refused is told above the view, until something succeeds. */
export async function trouble(call) {
  const place = at("trouble");
  try {
    await call();
    place.hidden = true;
  } catch (error) {
    place.textContent = error.status ? `${error.message} (${error.status})` : `No answer: ${error.message}`;
    place.hidden = false;
  }
}
