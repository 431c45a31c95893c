// Package operation is a table of typed operations over HTTP, and the fence
// around the library that validates requests and writes the OpenAPI document.
//
// An entry of the table says everything about an operation: its method and path,
// the role that it needs, how large a body may be, whether it starts work, and the
// function that executes it. Routes, checks and the document are made from the
// table, so that they cannot disagree.
//
// What the fence promises, whatever the library does:
//
//   - No value of a request is in an answer that refuses it.
//   - A key of a body that is repeated, or in other case, is refused.
//   - A query name that the operation does not know is refused.
//   - Each refusal is a problem (RFC 9457), also those of routes and methods.
//   - A list without items is [], never null.
//   - Nothing is added to an answer, and nothing is written to standard error.
//
// The package knows no runs and no jobs. [Config.Explain] says what an error of the
// program means for the client, and [Config.Admit] finds the principal of a request.
package operation
