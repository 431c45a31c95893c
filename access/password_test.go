package access

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckPassword(t *testing.T) {
	for _, tt := range []struct {
		password string
		want     string // part of the error; empty: none
	}{
		{"", "too short"},
		{"elevenchars", "too short"},
		{"twelve chars", ""},
		{"            ", ""},
		{"äöüäöüäöüäö", "too short"}, // 11 characters in 22 bytes
		{"äöüäöüäöüäöü", ""},
		{strings.Repeat("a", MaxPassword), ""},
		{strings.Repeat("a", MaxPassword+1), "too long"},
		{"twelve chars\xff", "UTF-8"},
	} {
		err := CheckPassword([]byte(tt.password))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.password, err, tt.want)
		}
		if err != nil && tt.password != "" && strings.Contains(err.Error(), tt.password) {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

func TestHasher(t *testing.T) {
	h := NewHasher(rand.Reader)
	password := []byte("correct horse")
	kept, err := h.Hash(t.Context(), password)
	if err != nil || !strings.HasPrefix(kept, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("got %q, %v, want the parameters with it", kept, err)
	}
	again, err := h.Hash(t.Context(), password)
	if err != nil || again == kept {
		t.Errorf("got %q, %v, want another salt", again, err)
	}
	// One that was made elsewhere, with other parameters, by the reference program.
	const others = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, tt := range []struct {
		name, password, kept string
		want                 bool
	}{
		{"right", "correct horse", kept, true},
		{"wrong", "correct horsf", kept, false},
		{"empty", "", kept, false},
		{"none kept", "correct horse", "", false},
		{"nothing at all", "", "", false},
		{"other parameters", "password", others, true},
		{"other parameters, wrong", "Password", others, false},
		{"too long", strings.Repeat("a", MaxPassword+1), kept, false},
	} {
		if got, err := h.Check(t.Context(), []byte(tt.password), tt.kept); got != tt.want || err != nil {
			t.Errorf("%s: got %t, %v, want %t", tt.name, got, err, tt.want)
		}
	}
	if _, err := h.Hash(t.Context(), []byte("short")); !errors.As(err, new(*PasswordError)) {
		t.Errorf("got %v, want a *PasswordError", err)
	}
}

func TestStoredPasswordsOfOthers(t *testing.T) {
	h := NewHasher(rand.Reader)
	const salt, key = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, kept := range []string{
		"x", "$2b$12$abc", "$argon2i$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + key, // all memory there is
		"$argon2id$v=19$m=65536,t=4294967295,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1x$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + key + "$",
	} {
		if ok, err := h.Check(t.Context(), []byte("password"), kept); ok || err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%q: got %t, %v, want an error", kept, ok, err)
		}
	}
}

// Two passwords are hashed at once, and a caller that waits can give up.
func TestHasherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(rand.Reader)
		for range hashesAtOnce {
			h.slots <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := h.Check(ctx, []byte("correct horse"), ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		var wg sync.WaitGroup
		ended := false
		wg.Go(func() {
			_, err := h.Check(t.Context(), []byte("correct horse"), "")
			ended = err == nil
		})
		synctest.Wait()
		if ended {
			t.Error("a third was hashed")
		}
		<-h.slots
		wg.Wait()
		if !ended {
			t.Error("it was not hashed when its turn had come")
		}
	})
}
