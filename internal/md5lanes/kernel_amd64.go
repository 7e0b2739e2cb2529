package md5lanes

import "golang.org/x/sys/cpu"

//go:noescape
func block4AVX512(state *[4][maxLanes]uint32, data *[maxLanes]*byte, blocks int)

//go:noescape
func block8AVX512(state *[4][maxLanes]uint32, data *[maxLanes]*byte, blocks int)

//go:noescape
func block16AVX512(state *[4][maxLanes]uint32, data *[maxLanes]*byte, blocks int)

//go:noescape
func block8AVX2(state *[4][maxLanes]uint32, data *[maxLanes]*byte, blocks int)

// kernels returns what the processor can do, the narrowest first.
func kernels() []kernel {
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX2:
		return avx512Kernels()
	case cpu.X86.HasAVX2:
		return avx2Kernels()
	}
	return nil
}

func avx512Kernels() []kernel {
	return []kernel{{4, block4AVX512}, {8, block8AVX512}, {16, block16AVX512}}
}

func avx2Kernels() []kernel { return []kernel{{8, block8AVX2}} }
