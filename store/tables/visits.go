package tables

import (
	"context"
	"database/sql"
	"time"

	"tutti/access"
	"tutti/store"
)

// AddSession lets a user in who is as it was at that revision.
func (a *accounts) AddSession(ctx context.Context, s access.Session, revision int64, by access.By) error {
	return a.db.Change(ctx, func(tx Conn) error {
		names, err := Column[string](ctx, tx, "UPDATE users SET login_at = ? WHERE id = ? AND revision = ? RETURNING name", Time(s.Created), s.User, revision)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return &access.AuthError{What: "password", Why: access.Wrong}
		}
		_, err = tx.Exec(ctx, "INSERT INTO sessions (hash, user_id, created_at, used_at, remote) VALUES (?, ?, ?, ?, ?)",
			s.Hash[:], s.User, Time(s.Created), Time(s.Used), Text(s.Remote))
		if err != nil {
			return err
		}
		return Note(ctx, tx, &access.Entry{By: by, Action: "session.add", Object: "user:" + names[0], Outcome: access.Done})
	})
}

// SessionByHash is the session of a secret.
func (a *accounts) SessionByHash(ctx context.Context, hash access.Hash) (access.Session, error) {
	s, err := sessionByHash(ctx, a.db.Reader(), hash)
	return s, a.db.Fault("read", err)
}

func sessionByHash(ctx context.Context, q Conn, hash access.Hash) (access.Session, error) {
	sessions, err := All(ctx, q, scanSession, "SELECT hash, user_id, created_at, used_at, remote FROM sessions WHERE hash = ?", hash[:])
	if err == nil && len(sessions) == 0 {
		err = &access.AuthError{What: "session", Why: access.Unknown}
	}
	return First(sessions), err
}

func scanSession(rows Rows) (s access.Session, err error) {
	var hash []byte
	var created, used, remote sql.NullString
	if err := rows.Scan(&hash, &s.User, &created, &used, &remote); err != nil {
		return s, err
	}
	copy(s.Hash[:], hash)
	s.Remote = remote.String
	return s, ParseTimes(TimeCell{&s.Created, created}, TimeCell{&s.Used, used})
}

// UseSession moves the end of a session.
func (a *accounts) UseSession(ctx context.Context, hash access.Hash, at time.Time) error {
	return a.db.Change(ctx, func(tx Conn) error {
		_, err := tx.Exec(ctx, "UPDATE sessions SET used_at = ? WHERE hash = ? AND used_at < ?", Time(at), hash[:], Time(at))
		return err
	})
}

// EndSession ends one.
func (a *accounts) EndSession(ctx context.Context, hash access.Hash, by access.By) error {
	return a.db.Change(ctx, func(tx Conn) error {
		names, err := Column[string](ctx, tx, "DELETE FROM sessions WHERE hash = ? RETURNING (SELECT name FROM users WHERE id = user_id)", hash[:])
		if err != nil || len(names) == 0 {
			return err
		}
		return changed(ctx, tx, access.Entry{By: by, Action: "session.remove", Object: "user:" + names[0]})
	})
}

// AddLink makes a login link the only one of its user.
func (a *accounts) AddLink(ctx context.Context, l access.Link, by access.By) error {
	return a.db.Change(ctx, func(tx Conn) error {
		u, err := userByID(ctx, tx, l.User)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO login_links (user_id, hash, created_at, expires_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
			l.User, l.Hash[:], Time(l.Created), Time(l.Expires))
		if err != nil {
			return err
		}
		return Note(ctx, tx, &access.Entry{
			By: by, Action: "link.add", Object: "user:" + u.Name, Outcome: access.Done,
			After: access.Details{"expires_at": Time(l.Expires)}.JSON(),
		})
	})
}

// LinkByHash is the login link of a secret.
func (a *accounts) LinkByHash(ctx context.Context, hash access.Hash) (access.Link, error) {
	l, err := linkByHash(ctx, a.db.Reader(), hash)
	return l, a.db.Fault("read", err)
}

func linkByHash(ctx context.Context, q Conn, hash access.Hash) (access.Link, error) {
	links, err := All(ctx, q, scanLink, "SELECT hash, user_id, created_at, expires_at FROM login_links WHERE hash = ?", hash[:])
	if err == nil && len(links) == 0 {
		err = &access.AuthError{What: "login link", Why: access.Unknown}
	}
	return First(links), err
}

func scanLink(rows Rows) (l access.Link, err error) {
	var hash []byte
	var created, expires sql.NullString
	if err := rows.Scan(&hash, &l.User, &created, &expires); err != nil {
		return l, err
	}
	copy(l.Hash[:], hash)
	return l, ParseTimes(TimeCell{&l.Created, created}, TimeCell{&l.Expires, expires})
}

// TakeLink gives the user of a link its password. What it had open ends.
func (a *accounts) TakeLink(ctx context.Context, hash access.Hash, password string, by access.By) (u access.User, err error) {
	err = a.db.Change(ctx, func(tx Conn) error {
		l, err := linkByHash(ctx, tx, hash)
		if err != nil {
			return err
		}
		old, err := userByID(ctx, tx, l.User)
		if err != nil {
			return err
		}
		if old.Disabled {
			return &access.AuthError{What: "login link", Why: access.Disabled, Name: old.Name}
		}
		u = old
		u.Password, u.Revision, u.Updated, u.UpdatedBy = password, old.Revision+1, by.At, by.Actor
		if err := a.replaceUser(ctx, tx, &old, &u, by); err != nil { // which removes the link
			return err
		}
		return Note(ctx, tx, &access.Entry{By: by, Action: "link.use", Object: "user:" + u.Name, Outcome: access.Done})
	})
	return u, err
}

// ForgetExpired removes the sessions, login links and maintenance that have ended by
// themselves, the keys of submissions that are not looked for any more, and entries of
// the audit that are older than it is kept.
func ForgetExpired(ctx context.Context, r, w Conn, now time.Time) error {
	for _, old := range []struct {
		from string
		args []any
	}{
		{"sessions WHERE used_at <= ? OR created_at <= ?", []any{Time(now.Add(-access.SessionIdle)), Time(now.Add(-access.SessionLife))}},
		{"login_links WHERE expires_at <= ?", []any{Time(now)}},
		{"maintenance WHERE until <= ?", []any{Time(now)}},
		{"requests WHERE at < ?", []any{Time(now.Add(-store.KeptKeys))}},
		// A little longer, so that the trigger agrees.
		{"audit WHERE at < ?", []any{Time(now.Add(-access.AuditLife - time.Minute))}},
	} {
		there, err := Exists(ctx, r, "SELECT 1 FROM "+old.from, old.args...)
		if err == nil && there {
			_, err = w.Exec(ctx, "DELETE FROM "+old.from, old.args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
