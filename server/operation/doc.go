// Package operation is a table of typed operations over HTTP, and the fence
// around the library that validates requests and writes the OpenAPI document.
//
// An entry of the table says everything about an operation: its method and path,
// who may ask for it, how large a body may be, whether it starts work, and the
// function that carries it out. Routes, checks and the document follow from the
// table, so that none of them can say something else.
//
// What the fence promises, whatever the library does:
//
//   - No value of a request is in an answer that refuses it.
//   - A key of a body that is there twice, or in other letters, is refused.
//   - A query name that the operation does not know is refused.
//   - Each refusal is a problem (RFC 9457), also those of routes and methods.
//   - A list without items is [], never null.
//   - Nothing is added to an answer, and nothing is written to standard error.
//
// The package knows no runs and no jobs. What an error of the program means for
// the client is told by [Config.Explain], and who asks by [Config.Admit].
package operation
