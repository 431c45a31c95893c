// Package compat serves two small interfaces that existing programs use: tasks, which are
// a command on a host whose answer is its output, and jobs, in forms of their own with an
// errno. It is a front of the API: it calls what the API calls, with the same checks of
// role and scope, and allows nothing that the API does not.
package compat
