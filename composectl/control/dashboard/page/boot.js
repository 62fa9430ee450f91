// Starts the page; where a part of it did not come, because a network of this machine came or went just then, anew.

const AGAIN = 1000;

import("./main.js")
  .then(() => document.styleSheets.length || Promise.reject(new Error("no style sheet")))
  .catch(() => setTimeout(() => location.reload(), AGAIN));
