// Package terminal is the terminal of the operator: whether a stream is one, how
// large it is, whose job has it, and questions that are asked on it, such as for a
// password that is not shown. It knows nothing of what is asked for.
package terminal
