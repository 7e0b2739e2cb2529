package policy

import "slices"

// Values returns what a policy's conditions compare a key with, such as
// "s3:signatureAge": each value once, variables as they are written. Whether a
// policy applies can change only where the key passes one of them.
func (p *Policy) Values(key string) (values []string) {
	if p == nil {
		return nil
	}
	key = keyName(key)
	for i := range p.statements {
		for _, c := range p.statements[i].conditions {
			if c.key != key {
				continue
			}
			for _, v := range c.values {
				if !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
		}
	}
	return values
}
