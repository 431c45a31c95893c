//go:build !cgo

package sqlite

import "database/sql"

// SQLite is C. Without cgo the driver would compile into one that fails at run
// time, so the build stops here, at a name that says what to do.
const _ = tutti_needs_cgo__install_gcc_and_build_with_CGO_ENABLED_1

func openDB(string, ...string) *sql.DB { return nil }

func kindOf(error) error { return nil }

func withCause(err error) error { return err }

func wrongSQL(error) bool { return false }
