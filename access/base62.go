package access

import "math/big"

const digits62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var sixtyTwo = big.NewInt(62)

// base62 writes data as a number with exactly width digits. data must fit.
func base62(data []byte, width int) string {
	n, digit := new(big.Int).SetBytes(data), new(big.Int)
	out := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, sixtyTwo, digit)
		out[i] = digits62[digit.Int64()]
	}
	return string(out)
}

// isBase62 reports whether text is digits only.
func isBase62(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
