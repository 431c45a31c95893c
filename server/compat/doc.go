// Package compat answers programs that speak two small interfaces that others have made
// common: tasks, which are a command on a host whose answer is its output, and jobs, in
// forms of their own with an errno. It is a front of the API: what is asked for is done
// by what the API does it with, with the same checks of role and scope, and nothing can
// be done here that could not be done there.
package compat
