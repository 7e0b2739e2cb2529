package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
)

// deriveECDSA derives the P-256 key of Signature Version 4A from an access
// key: the NIST SP 800-108 KDF in counter mode, repeated with another
// external counter until the candidate lies below n - 1 (published as part of
// AWS's signing test suite).
func deriveECDSA(key Key) *ecdsa.PrivateKey {
	curve := elliptic.P256()
	limit := new(big.Int).Sub(curve.Params().N, big.NewInt(2))
	for counter := byte(1); counter < 255; counter++ {
		candidate := new(big.Int).SetBytes(kdf(key, counter))
		if candidate.Cmp(limit) <= 0 {
			return privateKey(curve, candidate.Add(candidate, big.NewInt(1)))
		}
	}
	// Each try fails with a probability of 2^-32.
	panic("sign: no ECDSA key can be derived")
}

// kdf is one block of HMAC-SHA-256 in counter mode over
// 1 || label || 0 || (access key id || counter) || 256.
func kdf(key Key, counter byte) []byte {
	var in bytes.Buffer
	binary.Write(&in, binary.BigEndian, uint32(1))
	in.WriteString(algorithmV4A)
	in.WriteByte(0)
	in.WriteString(key.ID)
	in.WriteByte(counter)
	binary.Write(&in, binary.BigEndian, uint32(256))
	m := hmac.New(sha256.New, []byte("AWS4A"+key.Secret))
	m.Write(in.Bytes())
	return m.Sum(nil)
}

func privateKey(curve elliptic.Curve, d *big.Int) *ecdsa.PrivateKey {
	var raw [32]byte
	priv, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(raw[:]))
	if err != nil {
		panic("sign: derived an invalid ECDSA key: " + err.Error())
	}
	return priv
}

func signECDSA(key *ecdsa.PrivateKey, stringToSign []byte) ([]byte, error) {
	sum := sha256.Sum256(stringToSign)
	return ecdsa.SignASN1(rand.Reader, key, sum[:])
}

func verifyECDSA(key *ecdsa.PublicKey, stringToSign, der []byte) bool {
	sum := sha256.Sum256(stringToSign)
	return ecdsa.VerifyASN1(key, sum[:], der)
}

// normalizeECDSA returns the one spelling of an ECDSA signature that passes
// are identified by: strict DER with 1 <= r, s < n, and s replaced by
// min(s, n - s), since both verify. It reports false for anything else.
func normalizeECDSA(der []byte) ([]byte, bool) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) != 0 {
		return nil, false
	}
	n := elliptic.P256().Params().N
	for _, v := range []*big.Int{sig.R, sig.S} {
		if v.Sign() <= 0 || v.Cmp(n) >= 0 {
			return nil, false
		}
	}
	again, err := asn1.Marshal(sig)
	if err != nil || !bytes.Equal(again, der) {
		return nil, false
	}
	if other := new(big.Int).Sub(n, sig.S); other.Cmp(sig.S) < 0 {
		sig.S = other
	}
	out, err := asn1.Marshal(sig)
	return out, err == nil
}
