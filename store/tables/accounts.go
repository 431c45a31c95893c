package tables

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"tutti/access"
	"tutti/internal/yamltree"
)

// accounts are who may do what, see [access.Store]. Each change has its line in the audit
// in the same transaction.
type accounts struct{ db DB }

// Accounts are the users, tokens and logins of a database, and its audit.
func Accounts(db DB) access.Store { return &accounts{db} }

const userColumns = "id, name, role, scope, password, disabled, revision, created_at, updated_at, updated_by, login_at"

// Users are all users, by name.
func (a *accounts) Users(ctx context.Context) ([]access.User, error) {
	users, err := selectUsers(ctx, a.db.Reader(), " ORDER BY name")
	return users, a.db.Fault("read", err)
}

// User is the user of that name.
func (a *accounts) User(ctx context.Context, name string) (access.User, error) {
	u, err := userByName(ctx, a.db.Reader(), name)
	return u, a.db.Fault("read", err)
}

// UserByID is the user of that number.
func (a *accounts) UserByID(ctx context.Context, id int64) (access.User, error) {
	u, err := userByID(ctx, a.db.Reader(), id)
	return u, a.db.Fault("read", err)
}

func userByName(ctx context.Context, q Conn, name string) (access.User, error) {
	users, err := selectUsers(ctx, q, " WHERE name = ?", name)
	if err != nil || len(users) > 0 {
		return First(users), err
	}
	return access.User{}, missing(ctx, q, "user", name)
}

func userByID(ctx context.Context, q Conn, id int64) (access.User, error) {
	users, err := selectUsers(ctx, q, " WHERE id = ?", id)
	if err == nil && len(users) == 0 {
		err = &access.MissingError{What: "user"}
	}
	return First(users), err
}

// missing says that no user, or token, has that name.
func missing(ctx context.Context, q Conn, what, name string) error {
	names, err := Column[string](ctx, q, "SELECT name FROM "+what+"s ORDER BY name")
	return cmp.Or(err, error(&access.MissingError{What: what, Name: name, Nearest: yamltree.Nearest(name, names)}))
}

func selectUsers(ctx context.Context, q Conn, where string, args ...any) ([]access.User, error) {
	return All(ctx, q, scanUser, "SELECT "+userColumns+" FROM users"+where, args...)
}

func scanUser(rows Rows) (u access.User, err error) {
	var role string
	var scope, password, created, updated, login sql.NullString
	if err := rows.Scan(&u.ID, &u.Name, &role, &scope, &password, &u.Disabled, &u.Revision, &created, &updated, &u.UpdatedBy, &login); err != nil {
		return u, err
	}
	u.Scope, u.Password = scope.String, password.String
	if u.Role, err = access.ParseRole(role); err != nil {
		return u, err
	}
	return u, ParseTimes(TimeCell{&u.Created, created}, TimeCell{&u.Updated, updated}, TimeCell{&u.Login, login})
}

// userDetails are what the audit says of a user; of the password only whether there is
// one.
func userDetails(u *access.User) access.Details {
	d := access.Details{"role": u.Role, "password": u.Password != "", "disabled": u.Disabled}
	if u.Scope != "" {
		d["scope"] = u.Scope
	}
	return d
}

// AddUser adds a user.
func (a *accounts) AddUser(ctx context.Context, u access.User, by access.By) (added access.User, err error) {
	err = a.db.Change(ctx, func(tx Conn) error {
		if there, err := Exists(ctx, tx, "SELECT 1 FROM users WHERE name = ?", u.Name); err != nil || there {
			return cmp.Or(err, error(&access.ExistsError{What: "user", Name: u.Name}))
		}
		at := Time(by.At)
		_, err := tx.Exec(ctx, `
			INSERT INTO users (name, role, scope, password, disabled, created_at, updated_at, updated_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			u.Name, u.Role.String(), Text(u.Scope), Text(u.Password), u.Disabled, at, at, by.Actor)
		if err != nil {
			return err
		}
		if added, err = userByName(ctx, tx, u.Name); err != nil {
			return err
		}
		return changed(ctx, tx, access.Entry{By: by, Action: "user.add", Object: "user:" + u.Name, After: userDetails(&added).JSON()})
	})
	return added, err
}

// ChangeUser changes a user.
func (a *accounts) ChangeUser(ctx context.Context, name string, change func(*access.User) error, by access.By) (u access.User, err error) {
	err = a.db.Change(ctx, func(tx Conn) error {
		old, err := userByName(ctx, tx, name)
		if err != nil {
			return err
		}
		u = old
		if err := change(&u); err != nil {
			return err
		}
		u.ID, u.Name, u.Revision = old.ID, old.Name, old.Revision
		if u == old {
			return nil
		}
		u.Revision, u.Updated, u.UpdatedBy = old.Revision+1, by.At, by.Actor
		return a.replaceUser(ctx, tx, &old, &u, by)
	})
	return u, err
}

// replaceUser writes a user that has changed.
func (a *accounts) replaceUser(ctx context.Context, tx Conn, old, u *access.User, by access.By) error {
	if isAdmin(old) && !isAdmin(u) {
		if err := checkAdmins(ctx, tx, old); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `
		UPDATE users SET role = ?, scope = ?, password = ?, disabled = ?, revision = ?, updated_at = ?, updated_by = ? WHERE id = ?`,
		u.Role.String(), Text(u.Scope), Text(u.Password), u.Disabled, u.Revision, Time(u.Updated), u.UpdatedBy, u.ID)
	if err != nil {
		return err
	}
	if u.Password != old.Password || u.Disabled {
		if err := endVisits(ctx, tx, u.ID); err != nil {
			return err
		}
	}
	after := userDetails(u)
	if u.Password != old.Password {
		after["password"] = "changed"
	}
	return changed(ctx, tx, access.Entry{By: by, Action: "user.change", Object: "user:" + u.Name, Before: userDetails(old).JSON(), After: after.JSON()})
}

func isAdmin(u *access.User) bool { return u.Role == access.Admin && !u.Disabled }

// checkAdmins refuses to go on without u, who is an admin, if there is no other.
func checkAdmins(ctx context.Context, tx Conn, u *access.User) error {
	others, err := Exists(ctx, tx, "SELECT 1 FROM users WHERE role = 'admin' AND NOT disabled AND id <> ?", u.ID)
	if err == nil && !others {
		err = &access.LastAdminError{Name: u.Name}
	}
	return err
}

// endVisits ends what a user has open.
func endVisits(ctx context.Context, tx Conn, user int64) error {
	_, err := tx.Exec(ctx, "DELETE FROM sessions WHERE user_id = ?", user)
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM login_links WHERE user_id = ?", user)
	}
	return err
}

// RemoveUser removes a user, and what is its own.
func (a *accounts) RemoveUser(ctx context.Context, name string, by access.By) error {
	return a.db.Change(ctx, func(tx Conn) error {
		u, err := userByName(ctx, tx, name)
		if err != nil {
			return err
		}
		if isAdmin(&u) {
			if err := checkAdmins(ctx, tx, &u); err != nil {
				return err
			}
		}
		tokens, err := Column[string](ctx, tx, "SELECT name FROM tokens WHERE owner = ? ORDER BY name", u.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM users WHERE id = ?", u.ID); err != nil {
			return err
		}
		before := userDetails(&u)
		before["tokens"] = append([]string{}, tokens...) // never null
		return changed(ctx, tx, access.Entry{By: by, Action: "user.remove", Object: "user:" + u.Name, Before: before.JSON()})
	})
}

// changed adds a line to the audit about a change of rights, which there is another
// revision for.
func changed(ctx context.Context, tx Conn, e access.Entry) error {
	e.Outcome = access.Done
	if _, err := tx.Exec(ctx, "UPDATE access_state SET revision = revision + 1"); err != nil {
		return err
	}
	return Note(ctx, tx, &e)
}

// Wake receives after each write.
func (a *accounts) Wake() (wake <-chan struct{}, end func()) { return a.db.Wake() }

// Revision grows with each change of a right.
func (a *accounts) Revision(ctx context.Context) (revision int64, err error) {
	rows, err := Column[int64](ctx, a.db.Reader(), "SELECT revision FROM access_state")
	if err == nil && len(rows) == 0 {
		err = errors.New("missing row in access_state")
	}
	return First(rows), a.db.Fault("read", err)
}
