package md5lanes

import "golang.org/x/sys/cpu"

// everyKernel returns all sets of kernels that this processor can run.
func everyKernel() map[string][]kernel {
	all := map[string][]kernel{}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		all["AVX-512"] = avx512Kernels()
	}
	if cpu.X86.HasAVX2 {
		all["AVX2"] = avx2Kernels()
	}
	return all
}
