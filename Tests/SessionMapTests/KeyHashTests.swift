import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10))) struct KeyHashTests {
    private func hash(_ key: [UInt8], seed: UInt64 = 0x5eed) -> UInt64 {
        key.withUnsafeBytes { KeyHash(seed: seed).hash($0) }
    }

    @Test func noTwoOfAMillionSessionKeysHaveEqualHashes() {
        let count = 1_000_000
        // Keys that differ in few places are the hard ones: a prefix and a number in decimal.
        var hashes: [UInt64] = []
        hashes.reserveCapacity(count)
        var key = Array("memc.sess.key.lock.00000000".utf8)
        for number in 0..<count {
            var left = number
            var place = key.count - 1
            while left > 0 {
                key[place] = UInt8(ascii: "0") + UInt8(left % 10)
                left /= 10
                place -= 1
            }
            hashes.append(hash(key))
            for place in (key.count - 8)..<key.count { key[place] = UInt8(ascii: "0") }
        }
        hashes.sort()
        var equalCount = 0
        for place in 1..<count where hashes[place] == hashes[place - 1] { equalCount += 1 }
        #expect(equalCount == 0)
        // The halves choose the shard and the place in its index: 64 parts of each, evenly filled.
        var byShard = [Int](repeating: 0, count: 64)
        var bySegment = [Int](repeating: 0, count: 64)
        var byHome = [Int](repeating: 0, count: 64)
        for hash in hashes {
            byShard[Int(hash >> 32 & 63)] += 1
            bySegment[Int(hash & 63)] += 1
            byHome[Int(hash >> 26 & 63)] += 1
        }
        // Six standard deviations of a binomial distribution with these numbers are 744.
        for part in byShard + bySegment + byHome { #expect(abs(part - count / 64) < 744) }
    }

    @Test func everyLengthIsReadToItsLastByte() {
        var seen: Set<UInt64> = []
        var key: [UInt8] = []
        for length in 0...250 {
            let whole = hash(key)
            #expect(whole == hash(key))
            #expect(seen.insert(whole).inserted, "a hash of length \(length) that was there before")
            for place in 0..<length {
                var other = key
                other[place] ^= 1
                #expect(hash(other) != whole, "byte \(place) of \(length) is not read")
            }
            key.append(UInt8(truncatingIfNeeded: length &* 7))
        }
    }

    @Test func anotherSeedGivesOtherHashes() {
        for length in 0...250 {
            let key = [UInt8](repeating: 0x61, count: length)
            #expect(hash(key) != hash(key, seed: 0x5eee))
        }
    }

    /// Golden values, so that a change of the function is noticed: a persistent arena and a test of
    /// colliding keys both depend on it.
    @Test func theFunctionIsTheOneItWas() {
        let lengths = [0, 3, 8, 16, 17, 48, 49, 250]
        let hashes = lengths.map { length in
            hash((0..<length).map { UInt8(truncatingIfNeeded: $0) }, seed: 0)
        }
        #expect(hashes == Self.golden)
    }

    private static let golden: [UInt64] = [
        10_602_188_539_874_428_322, 8_702_267_351_039_103_533, 13_030_792_189_549_601_236,
        3_485_749_419_365_246_489, 15_177_128_347_674_374_042, 17_133_948_605_761_828_930,
        473_424_537_008_093_841, 18_342_612_096_383_663_623,
    ]
}
