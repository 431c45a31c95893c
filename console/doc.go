// Package console has the pages that people look at in a browser.
//
// Every page shows answers of the public API: [Console] asks the API's own handler, in
// this process, with the request's cookie or token, and renders what it answers. There is
// nothing that a page knows and a client of the API cannot ask for, and no right that a
// page checks: the API does. The table of pages (pages.go) names the operations of each.
//
// Pages are HTML of html/template, readable and usable without JavaScript; the modules in
// static add what lives: streams, the grid of hosts, keys. They are served as they are
// written. What hosts wrote is text, wherever it appears.
package console
