package operation

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
)

// sumSize is how many bytes of a cursor tie it to its list.
const sumSize = 6

// sealCursor is the cursor of a key in the list that operation gives to query.
func sealCursor(key, operation string, query url.Values) string {
	sum := listSum(operation, query)
	return base64.RawURLEncoding.EncodeToString(append(sum, key...))
}

// openCursor is the key in a cursor; "" of none.
func openCursor(cursor, operation string, query url.Values) (string, error) {
	if cursor == "" {
		return "", nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(data) <= sumSize || string(data[:sumSize]) != string(listSum(operation, query)) {
		return "", BadCursor.Fail("").With()
	}
	return string(data[sumSize:]), nil
}

// listSum identifies a list: its operation and its filters.
func listSum(operation string, query url.Values) []byte {
	filters := url.Values{}
	for name, values := range query {
		if name != "after" && name != "limit" {
			filters[name] = values
		}
	}
	sum := sha256.Sum256([]byte(operation + "?" + filters.Encode()))
	return sum[:sumSize]
}
