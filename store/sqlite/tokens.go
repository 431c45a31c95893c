package sqlite

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
func (a *Accounts) Tokens(ctx context.Context) ([]access.Token, error) {
	tokens, err := selectTokens(ctx, a.r, " ORDER BY t.name")
	return tokens, a.fault("read", err)
}

// TokenByHash is the token of a secret.
func (a *Accounts) TokenByHash(ctx context.Context, hash access.Hash) (access.Token, error) {
	return a.token(ctx, " WHERE t.hash = ?", hash[:])
}

// TokenByID is the token of that number.
func (a *Accounts) TokenByID(ctx context.Context, id int64) (access.Token, error) {
	return a.token(ctx, " WHERE t.id = ?", id)
}

func (a *Accounts) token(ctx context.Context, where string, args ...any) (access.Token, error) {
	tokens, err := selectTokens(ctx, a.r, where, args...)
	if err == nil && len(tokens) == 0 {
		err = &access.AuthError{What: "token", Why: access.Unknown}
	}
	return first(tokens), a.fault("read", err)
}

func selectTokens(ctx context.Context, q queryer, where string, args ...any) ([]access.Token, error) {
	return scanAll(ctx, q, scanToken, "SELECT "+tokenColumns+" FROM tokens t LEFT JOIN users u ON u.id = t.owner"+where, args...)
}

func scanToken(rows *sql.Rows) (t access.Token, err error) {
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
		if *list.to, err = parseList(list.from); err != nil {
			return t, err
		}
	}
	if t.AllowFrom, err = access.ParseNetworks(allow); err != nil {
		return t, err
	}
	return t, parseTimes(timeCell{&t.Created, created}, timeCell{&t.Expires, expires}, timeCell{&t.Used, used})
}

// tokenDetails are what the audit says of a token.
func tokenDetails(t *access.Token) access.Details {
	d := access.Details{"role": t.Role, "sudo": t.Sudo, "expires_at": timeText(t.Expires)}
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
func (a *Accounts) AddToken(ctx context.Context, t access.Token, by access.By) (added access.Token, err error) {
	jobs, err := listText(t.Jobs)
	if err != nil {
		return added, err
	}
	users, err := listText(t.Users)
	if err != nil {
		return added, err
	}
	networks, err := listText(t.AllowFrom.Texts())
	if err != nil {
		return added, err
	}
	err = a.change(ctx, func(tx *sql.Tx) error {
		if there, err := exists(ctx, tx, "SELECT 1 FROM tokens WHERE name = ?", t.Name); err != nil || there {
			return cmp.Or(err, error(&access.ExistsError{What: "token", Name: t.Name}))
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO tokens (name, owner, hash, role, scope, jobs, users, sudo, allow_from, created_at, created_by, expires_at, task_selector)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.Name, number(t.Owner), t.Hash[:], t.Role.String(), text(t.Scope), jobs, users, t.Sudo, networks,
			timeText(t.Created), t.CreatedBy, timeText(t.Expires), text(t.TaskSelector))
		if err != nil {
			return err
		}
		tokens, err := selectTokens(ctx, tx, " WHERE t.name = ?", t.Name)
		if err != nil {
			return err
		}
		added = first(tokens)
		return changed(ctx, tx, access.Entry{By: by, Action: "token.add", Object: "token:" + t.Name, After: tokenDetails(&added).JSON()})
	})
	return added, err
}

// RemoveToken removes a token.
func (a *Accounts) RemoveToken(ctx context.Context, name string, by access.By) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		tokens, err := selectTokens(ctx, tx, " WHERE t.name = ?", name)
		if err != nil {
			return err
		}
		if len(tokens) == 0 {
			return missing(ctx, tx, "token", name)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM tokens WHERE id = ?", tokens[0].ID); err != nil {
			return err
		}
		return changed(ctx, tx, access.Entry{By: by, Action: "token.remove", Object: "token:" + name, Before: tokenDetails(&tokens[0]).JSON()})
	})
}

// useEvery is how often the use of a token is written down.
const useEvery = time.Hour

// UseToken notes that a token was used, or refused, once an hour at most.
func (a *Accounts) UseToken(ctx context.Context, t *access.Token, refused access.Refusal, by access.By) error {
	column, e := "used_at", access.Entry{By: by, Action: "token.use", Object: "token:" + t.Name, Outcome: access.Done}
	if refused != "" {
		column, e.Outcome, e.After = "refused_at", access.Refused, access.Details{"reason": refused}.JSON()
	}
	due := "id = ? AND coalesce(" + column + " <= ?, 1)"
	args := []any{t.ID, timeText(by.At.Add(-useEvery))}
	if there, err := exists(ctx, a.r, "SELECT 1 FROM tokens WHERE "+due, args...); err != nil || !there {
		return a.fault("read", err)
	}
	return a.change(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE tokens SET "+column+" = ? WHERE "+due, append([]any{timeText(by.At)}, args...)...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return note(ctx, tx, &e)
	})
}
