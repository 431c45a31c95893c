// Package postgres stores the history of runs, and the ledger of several daemons, in a
// PostgreSQL database: it is the engine of package store for more than one machine.
//
// The tables have the names and the columns of package sqlite, except that what a run
// adds is only inserted: the table results is a view of hosts (written when the run
// begins), starts (the marks) and ended. Times are texts as there; only what the ledger
// compares with its own clock is a timestamp. Numbers may have gaps.
//
// All that decides is a compare in the statement that writes, by unique keys and row
// locks at READ COMMITTED. Who is alive is judged by the server's clock. A call that
// failed while the server was to commit may have been executed: its caller reads again.
//
// Text that PostgreSQL cannot store, NUL and invalid UTF-8, becomes U+FFFD; see text.go.
package postgres
