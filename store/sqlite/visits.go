package sqlite

import (
	"context"
	"database/sql"
	"time"

	"tutti/access"
	"tutti/store"
)

// AddSession lets a user in who is as it was at that revision.
func (a *Accounts) AddSession(ctx context.Context, s access.Session, revision int64, by access.By) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		names, err := column[string](ctx, tx, "UPDATE users SET login_at = ? WHERE id = ? AND revision = ? RETURNING name", timeText(s.Created), s.User, revision)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return &access.AuthError{What: "password", Why: access.Wrong}
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO sessions (hash, user_id, created_at, used_at, remote) VALUES (?, ?, ?, ?, ?)",
			s.Hash[:], s.User, timeText(s.Created), timeText(s.Used), text(s.Remote))
		if err != nil {
			return err
		}
		return note(ctx, tx, &access.Entry{By: by, Action: "session.add", Object: "user:" + names[0], Outcome: access.Done})
	})
}

// SessionByHash is the session of a secret.
func (a *Accounts) SessionByHash(ctx context.Context, hash access.Hash) (access.Session, error) {
	s, err := sessionByHash(ctx, a.r, hash)
	return s, a.fault("read", err)
}

func sessionByHash(ctx context.Context, q queryer, hash access.Hash) (access.Session, error) {
	sessions, err := scanAll(ctx, q, scanSession, "SELECT hash, user_id, created_at, used_at, remote FROM sessions WHERE hash = ?", hash[:])
	if err == nil && len(sessions) == 0 {
		err = &access.AuthError{What: "session", Why: access.Unknown}
	}
	return first(sessions), err
}

func scanSession(rows *sql.Rows) (s access.Session, err error) {
	var hash []byte
	var created, used, remote sql.NullString
	if err := rows.Scan(&hash, &s.User, &created, &used, &remote); err != nil {
		return s, err
	}
	copy(s.Hash[:], hash)
	s.Remote = remote.String
	return s, parseTimes(timeCell{&s.Created, created}, timeCell{&s.Used, used})
}

// UseSession moves the end of a session.
func (a *Accounts) UseSession(ctx context.Context, hash access.Hash, at time.Time) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE sessions SET used_at = ? WHERE hash = ? AND used_at < ?", timeText(at), hash[:], timeText(at))
		return err
	})
}

// EndSession ends one.
func (a *Accounts) EndSession(ctx context.Context, hash access.Hash, by access.By) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		names, err := column[string](ctx, tx, "DELETE FROM sessions WHERE hash = ? RETURNING (SELECT name FROM users WHERE id = user_id)", hash[:])
		if err != nil || len(names) == 0 {
			return err
		}
		return changed(ctx, tx, access.Entry{By: by, Action: "session.remove", Object: "user:" + names[0]})
	})
}

// AddLink makes a login link the only one of its user.
func (a *Accounts) AddLink(ctx context.Context, l access.Link, by access.By) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		u, err := userByID(ctx, tx, l.User)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO login_links (user_id, hash, created_at, expires_at) VALUES (?, ?, ?, ?)",
			l.User, l.Hash[:], timeText(l.Created), timeText(l.Expires))
		if err != nil {
			return err
		}
		return note(ctx, tx, &access.Entry{
			By: by, Action: "link.add", Object: "user:" + u.Name, Outcome: access.Done,
			After: access.Details{"expires_at": timeText(l.Expires)}.JSON(),
		})
	})
}

// LinkByHash is the login link of a secret.
func (a *Accounts) LinkByHash(ctx context.Context, hash access.Hash) (access.Link, error) {
	l, err := linkByHash(ctx, a.r, hash)
	return l, a.fault("read", err)
}

func linkByHash(ctx context.Context, q queryer, hash access.Hash) (access.Link, error) {
	links, err := scanAll(ctx, q, scanLink, "SELECT hash, user_id, created_at, expires_at FROM login_links WHERE hash = ?", hash[:])
	if err == nil && len(links) == 0 {
		err = &access.AuthError{What: "login link", Why: access.Unknown}
	}
	return first(links), err
}

func scanLink(rows *sql.Rows) (l access.Link, err error) {
	var hash []byte
	var created, expires sql.NullString
	if err := rows.Scan(&hash, &l.User, &created, &expires); err != nil {
		return l, err
	}
	copy(l.Hash[:], hash)
	return l, parseTimes(timeCell{&l.Created, created}, timeCell{&l.Expires, expires})
}

// TakeLink gives the user of a link its password. What it had open ends.
func (a *Accounts) TakeLink(ctx context.Context, hash access.Hash, password string, by access.By) (u access.User, err error) {
	err = a.change(ctx, func(tx *sql.Tx) error {
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
		return note(ctx, tx, &access.Entry{By: by, Action: "link.use", Object: "user:" + u.Name, Outcome: access.Done})
	})
	return u, err
}

// forgetExpired removes the sessions, login links and maintenance that have ended by
// themselves, the keys of submissions that are not looked for any more, and entries of
// the audit that are older than it is kept.
func forgetExpired(ctx context.Context, r queryer, w database, now time.Time) error {
	for _, old := range []struct {
		from string
		args []any
	}{
		{"sessions WHERE used_at <= ? OR created_at <= ?", []any{timeText(now.Add(-access.SessionIdle)), timeText(now.Add(-access.SessionLife))}},
		{"login_links WHERE expires_at <= ?", []any{timeText(now)}},
		{"maintenance WHERE until <= ?", []any{timeText(now)}},
		{"requests WHERE at < ?", []any{timeText(now.Add(-store.KeptKeys))}},
		// A little longer, so that the trigger agrees.
		{"audit WHERE at < ?", []any{timeText(now.Add(-access.AuditLife - time.Minute))}},
	} {
		there, err := exists(ctx, r, "SELECT 1 FROM "+old.from, old.args...)
		if err == nil && there {
			_, err = w.ExecContext(ctx, "DELETE FROM "+old.from, old.args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
