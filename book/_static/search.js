// Excerpts for the results of a search. Opened from the file system a page may not fetch another, so their
// texts are loaded with the search page (page_texts.js); Sphinx's search goes on as if it had fetched them.
window.fetch = (address) => Promise.resolve({ text: () => Promise.resolve(address) });
Search.htmlToText = (address, anchor) => {
  const root = document.documentElement.dataset.content_root;
  const name = address.slice(root.length).replace(/\.html$/, "");
  const texts = PAGE_TEXTS[name] || {};
  return texts[anchor] || texts[""] || name;
};
