package tables

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"tutti/access"
)

const tokenColumns = `t.id, t.name, coalesce(t.owner, 0), coalesce(u.name, ''), t.hash, t.role, t.scope, t.jobs, t.users, t.sudo, t.allow_from,
	t.created_at, t.created_by, t.expires_at, t.used_at, t.task_selector`

// Tokens are all tokens, by name.
func (a *accounts) Tokens(ctx context.Context) ([]access.Token, error) {
	tokens, err := selectTokens(ctx, a.db.Reader(), " ORDER BY t.name")
	return tokens, a.db.Fault("read", err)
}

// TokenByHash is the token of a secret.
func (a *accounts) TokenByHash(ctx context.Context, hash access.Hash) (access.Token, error) {
	return a.token(ctx, " WHERE t.hash = ?", hash[:])
}

// TokenByID is the token of that number.
func (a *accounts) TokenByID(ctx context.Context, id int64) (access.Token, error) {
	return a.token(ctx, " WHERE t.id = ?", id)
}

func (a *accounts) token(ctx context.Context, where string, args ...any) (access.Token, error) {
	tokens, err := selectTokens(ctx, a.db.Reader(), where, args...)
	if err == nil && len(tokens) == 0 {
		err = &access.AuthError{What: "token", Why: access.Unknown}
	}
	return First(tokens), a.db.Fault("read", err)
}

func selectTokens(ctx context.Context, q Conn, where string, args ...any) ([]access.Token, error) {
	return All(ctx, q, scanToken, "SELECT "+tokenColumns+" FROM tokens t LEFT JOIN users u ON u.id = t.owner"+where, args...)
}

func scanToken(rows Rows) (t access.Token, err error) {
	var role string
	var hash []byte
	var scope, jobs, users, networks, created, expires, used, tasks sql.NullString
	if err := rows.Scan(&t.ID, &t.Name, &t.Owner, &t.OwnerName, &hash, &role, &scope, &jobs, &users, &t.Sudo, &networks, &created, &t.CreatedBy, &expires, &used, &tasks); err != nil {
		return t, err
	}
	copy(t.Hash[:], hash)
	t.Scope, t.TaskSelector = scope.String, tasks.String
	if t.Role, err = access.ParseRole(role); err != nil {
		return t, err
	}
	var allow []string
	for _, list := range []struct {
		from sql.NullString
		to   *[]string
	}{{jobs, &t.Jobs}, {users, &t.Users}, {networks, &allow}} {
		if *list.to, err = ParseList(list.from); err != nil {
			return t, err
		}
	}
	if t.AllowFrom, err = access.ParseNetworks(allow); err != nil {
		return t, err
	}
	return t, ParseTimes(TimeCell{&t.Created, created}, TimeCell{&t.Expires, expires}, TimeCell{&t.Used, used})
}

// tokenDetails are what the audit says of a token.
func tokenDetails(t *access.Token) access.Details {
	d := access.Details{"role": t.Role, "sudo": t.Sudo, "expires_at": Time(t.Expires)}
	for key, list := range map[string][]string{"jobs": t.Jobs, "users": t.Users, "allow_from": t.AllowFrom.Texts()} {
		if len(list) > 0 {
			d[key] = list
		}
	}
	for key, word := range map[string]string{"owner": t.OwnerName, "scope": t.Scope, "task_selector": t.TaskSelector} {
		if word != "" {
			d[key] = word
		}
	}
	return d
}

// AddToken adds a token.
func (a *accounts) AddToken(ctx context.Context, t access.Token, by access.By) (added access.Token, err error) {
	jobs, err := List(t.Jobs)
	if err != nil {
		return added, err
	}
	users, err := List(t.Users)
	if err != nil {
		return added, err
	}
	networks, err := List(t.AllowFrom.Texts())
	if err != nil {
		return added, err
	}
	err = a.db.Change(ctx, func(tx Conn) error {
		if there, err := Exists(ctx, tx, "SELECT 1 FROM tokens WHERE name = ?", t.Name); err != nil || there {
			return cmp.Or(err, error(&access.ExistsError{What: "token", Name: t.Name}))
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO tokens (name, owner, hash, role, scope, jobs, users, sudo, allow_from, created_at, created_by, expires_at, task_selector)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.Name, Number(t.Owner), t.Hash[:], t.Role.String(), Text(t.Scope), jobs, users, t.Sudo, networks,
			Time(t.Created), t.CreatedBy, Time(t.Expires), Text(t.TaskSelector))
		if err != nil {
			return err
		}
		tokens, err := selectTokens(ctx, tx, " WHERE t.name = ?", t.Name)
		if err != nil {
			return err
		}
		added = First(tokens)
		return changed(ctx, tx, access.Entry{By: by, Action: "token.add", Object: "token:" + t.Name, After: tokenDetails(&added).JSON()})
	})
	return added, err
}

// RemoveToken removes a token.
func (a *accounts) RemoveToken(ctx context.Context, name string, by access.By) error {
	return a.db.Change(ctx, func(tx Conn) error {
		tokens, err := selectTokens(ctx, tx, " WHERE t.name = ?", name)
		if err != nil {
			return err
		}
		if len(tokens) == 0 {
			return missing(ctx, tx, "token", name)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM tokens WHERE id = ?", tokens[0].ID); err != nil {
			return err
		}
		return changed(ctx, tx, access.Entry{By: by, Action: "token.remove", Object: "token:" + name, Before: tokenDetails(&tokens[0]).JSON()})
	})
}

// useEvery is how often the use of a token is written down.
const useEvery = time.Hour

// UseToken notes that a token was used, or refused, once an hour at most.
func (a *accounts) UseToken(ctx context.Context, t *access.Token, refused access.Refusal, by access.By) error {
	column, e := "used_at", access.Entry{By: by, Action: "token.use", Object: "token:" + t.Name, Outcome: access.Done}
	if refused != "" {
		column, e.Outcome, e.After = "refused_at", access.Refused, access.Details{"reason": refused}.JSON()
	}
	due := "id = ? AND (" + column + " IS NULL OR " + column + " <= ?)"
	args := []any{t.ID, Time(by.At.Add(-useEvery))}
	if there, err := Exists(ctx, a.db.Reader(), "SELECT 1 FROM tokens WHERE "+due, args...); err != nil || !there {
		return a.db.Fault("read", err)
	}
	return a.db.Change(ctx, func(tx Conn) error {
		n, err := tx.Exec(ctx, "UPDATE tokens SET "+column+" = ? WHERE "+due, append([]any{Time(by.At)}, args...)...)
		if err != nil || n == 0 {
			return err
		}
		return Note(ctx, tx, &e)
	})
}
