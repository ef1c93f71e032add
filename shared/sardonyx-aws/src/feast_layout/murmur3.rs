//! MurmurHash3, the variant `x64_128` with the seed 0, after [its author's code](https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp).

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The hash, its two halves as little-endian bytes.
pub(super) fn murmur3_x64_128(bytes: &[u8]) -> [u8; 16] {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 ^= mix_first(k1);
        h1 = h1
            .rotate_left(27)
            .wrapping_add(h2)
            .wrapping_mul(5)
            .wrapping_add(0x52dc_e729);
        h2 ^= mix_second(k2);
        h2 = h2
            .rotate_left(31)
            .wrapping_add(h1)
            .wrapping_mul(5)
            .wrapping_add(0x3849_5ab5);
    }

    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    let (k1, k2) = halves(&last);
    // Zeros mix to zero, so that a half without bytes changes nothing.
    h1 ^= mix_first(k1);
    h2 ^= mix_second(k2);

    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (u128::from(h1) | u128::from(h2) << 64).to_le_bytes()
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let block = u128::from_le_bytes(*block);
    (block as u64, (block >> 64) as u64)
}

fn mix_first(k1: u64) -> u64 {
    k1.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_second(k2: u64) -> u64 {
    k2.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use sardonyx_core::hashed::hex;

    use super::*;

    /// The hashes of the bytes 0, 1, 2 … by the Python package mmh3 5.3.1, which Feast uses.
    #[test]
    fn every_length_of_the_rest_is_hashed_as_by_mmh3() {
        for (len, expected) in [
            (0, "00000000000000000000000000000000"),
            (1, "b55cff6ee5ab10468335f878aa2d6251"),
            (7, "680d4bca87694cbd87c725bdd4dd3a61"),
            (8, "c82f8ed6bde1a747c7dc31ec02eee660"),
            (9, "322d816e0fcbb4fbb9ff00021d75de78"),
            (15, "e92549fd98152347e97dc688ee6d84cd"),
            (16, "303f9091b524494445e82f76566490ab"),
            (17, "0ec2e79f0ff4765c24a8da9e6b025fc1"),
            (31, "94d02ca3e1d33d05905400b4ef9ae59e"),
            (32, "0f502fb622906dc65111c3346e0a051c"),
            (33, "1246bafa1b28417d0ba3d6a77380ac55"),
            (100, "ca5140c199996fb0990734c8936dbd0f"),
        ] {
            let bytes: Vec<u8> = (0..len).collect();
            assert_eq!(hex(&murmur3_x64_128(&bytes)), expected, "{len} bytes");
        }
        let text = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(hex(&murmur3_x64_128(text)), "6c1b07bc7bbc4be347939ac4a93c437a");
    }
}
