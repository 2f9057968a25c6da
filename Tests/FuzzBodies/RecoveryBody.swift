#if DEBUG || Fuzzing
    @testable import SessionMap

    /// Takes any bytes as damage of memory that a node has left: it is refused, or taken over as a map that
    /// holds together and never gives out one key's bytes under another key. Returns what is wrong.
    ///
    /// The first byte chooses what the memory was; then each kind of damage is one byte, with operands behind
    /// it. Where items have checksums the damage cannot make one up: what is written over them is mixed from the
    /// operands, as a fuzzer that sees the comparison would find a checksum else.
    func checkRecovery(_ input: [UInt8]) -> String? {
        var reader = FuzzReader(bytes: input)
        let choice = Int(reader.byte())
        let image = MemoryImage.all[choice % MemoryImage.all.count]
        var damage = MemoryDamage(image)
        defer { damage.memory.deallocate() }
        while !reader.isAtEnd { damage.step(&reader) }
        return damage.recover(now: choice & 16 == 0 ? 10 : 5_000)
    }

    /// What a node has left, at two moments.
    private struct MemoryImage: Sendable {
        let configuration: MapConfiguration
        let moments: [[UInt8]]

        static let keyCount = 300

        /// With checksums and without, in one shard and in two, with and without births.
        static let all: [MemoryImage] = [
            (ArenaFeatures.checksums, 1), (.checksums, 2), ([], 1), ([], 2),
            ([.checksums, .births], 1), (.births, 1),
        ].map { MemoryImage($0, shardCount: $1) }

        static func key(_ number: Int) -> [UInt8] { Array("session:\(number)".utf8) }

        /// Tells whose it is, in each part of it.
        private static func value(_ number: Int, _ byteCount: Int) -> [UInt8] {
            let key = key(number) + [UInt8(ascii: ";")]
            return (0..<byteCount).map { key[$0 % key.count] }
        }

        static func isOf(_ number: Int, _ value: [UInt8]) -> Bool {
            value == Self.value(number, value.count)
        }

        private init(_ features: ArenaFeatures, shardCount: Int) {
            configuration = MapConfiguration(
                byteCount: 1 << 20, itemByteCountMax: 100_000, eviction: .standard,
                shardCount: shardCount, hashSeed: 42, features: features)
            let memory = UnsafeMutableRawBufferPointer.allocate(
                byteCount: SessionMap.arenaByteCount(forMapOf: configuration.byteCount),
                alignment: ArenaHeader.byteCount)
            defer { memory.deallocate() }
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            guard let map = try? SessionMap(configuration, in: memory, now: 10) else {
                preconditionFailure("no map")
            }
            func store(_ number: Int, _ byteCount: Int) {
                var deadline = Deadline.never
                if number % 7 == 0 { deadline = .at(UInt64(100 + number * 20)) }
                let request = StoreRequest(
                    mode: .set, clientFlags: UInt32(number % 3), deadline: deadline)
                let value = Self.value(number, byteCount)
                _ = map.store(Self.key(number).span, request, value: value.span, now: 10)
            }
            // Few kilobytes are free at last, in many places, so that some values are in pieces.
            for number in 0..<Self.keyCount { store(number, 200 + number * 37 % 5_000) }
            for number in stride(from: 0, to: Self.keyCount, by: 3) {
                _ = map.delete(Self.key(number).span, now: 10)
            }
            for number in 0..<8 { store(number * 3, 20_000) }
            let first = Array(memory)
            for number in stride(from: 1, to: Self.keyCount, by: 9) { store(number, 900) }
            map.flush(at: .at(40), now: 10)
            moments = [first, Array(memory)]
        }
    }

    private struct MemoryDamage {
        let memory: UnsafeMutableRawBufferPointer
        private let image: MemoryImage
        private let isChecked: Bool

        init(_ image: MemoryImage) {
            self.image = image
            isChecked = image.configuration.features.contains(.checksums)
            memory = .allocate(byteCount: image.moments[0].count, alignment: ArenaHeader.byteCount)
            memory.copyBytes(from: image.moments[0])
        }

        /// Damage never reaches the first page, which has a check of its own.
        private var start: Int { ArenaHeader.byteCount }
        private var count: Int { memory.count - ArenaHeader.byteCount }
        private var unitCount: Int { count / Region.unitByteCount }

        mutating func step(_ reader: inout FuzzReader) {
            switch reader.byte() % 8 {
            case 0:
                let bit = 1 << (reader.byte() & 7)
                memory[start + reader.number(below: count)] ^= UInt8(bit)
            case 1, 2: write(&reader, at: unit(&reader) + Int(reader.byte()) % 64)
            case 3:
                // The border of the first region, and what is at the end.
                let word = reader.byte()
                write(
                    &reader,
                    at: word & 1 == 0 ? start + Int(word >> 1) : memory.count - 8 - Int(word))
            case 4: copy(to: unit(&reader), from: unit(&reader), Region.unitByteCount)
            case 5:
                // The page of another moment.
                let page = start + reader.number(below: count / 4_096) * 4_096
                memory[page..<(page + 4_096)].copyBytes(
                    from: image.moments[1][page..<(page + 4_096)])
            case 6:
                let place = unit(&reader)
                let end = min(memory.count, place + Int(reader.byte()) * Region.unitByteCount)
                for byte in place..<end { memory[byte] = 0 }
            default:
                for page in stride(from: start, to: memory.count, by: 4_096)
                where mixed(UInt32(page) &+ UInt32(reader.byte())) & 1 == 0 {
                    let end = min(page + 4_096, memory.count)
                    memory[page..<end].copyBytes(from: image.moments[1][page..<end])
                }
            }
        }

        private func unit(_ reader: inout FuzzReader) -> Int {
            start + reader.number(below: unitCount) * Region.unitByteCount
        }

        private func copy(to place: Int, from other: Int, _ byteCount: Int) {
            for byte in 0..<min(byteCount, memory.count - max(place, other)) {
                memory[place + byte] = memory[other + byte]
            }
        }

        /// Four bytes: as the input has them, or mixed from these.
        private func write(_ reader: inout FuzzReader, at place: Int) {
            let word = UInt32(reader.number()) << 16 | UInt32(reader.number())
            let written = isChecked ? mixed(word) : word
            let place = min(max(place, start), memory.count - 4)
            withUnsafeBytes(of: written) { bytes in
                for byte in 0..<4 { memory[place + byte] = bytes[byte] }
            }
        }

        private func mixed(_ word: UInt32) -> UInt32 {
            let mixed = (UInt64(word) &+ 0x9E37_79B9_7F4A_7C15) &* 0xBF58_476D_1CE4_E5B9
            return UInt32(truncatingIfNeeded: mixed ^ mixed >> 31)
        }

        /// Takes the memory over, and looks at all that is in it.
        func recover(now: UInt32) -> String? {
            guard case .success(let header) = ArenaHeader.read(UnsafeRawBufferPointer(memory))
            else {
                return "the first page was not touched, and is refused"
            }
            var report = RecoveryReport()
            let map: SessionMap
            do {
                map = try SessionMap(
                    image.configuration, recovering: memory, header: header, now: now,
                    report: &report)
            } catch {
                return isChecked ? "refused: \(error)" : nil
            }
            if let sentence = map.brokenInvariants().first { return "recovered: \(sentence)" }
            for number in 0..<MemoryImage.keyCount {
                let value = Self.value(of: MemoryImage.key(number), in: map, now: now)
                if isChecked, let value, !MemoryImage.isOf(number, value) {
                    return "the value of key \(number) is another"
                }
            }
            // It is a map like any other.
            for number in 0..<20 {
                let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
                let value = [UInt8](repeating: 7, count: number * 400)
                let outcome = map.store(
                    Array("new-\(number)".utf8).span, request, value: value.span, now: now)
                if outcome != .stored { return "nothing is stored any more: \(outcome)" }
            }
            _ = map.maintain(shard: 0, now: now + 100, itemBudget: 10)
            return map.brokenInvariants().first.map { "in use: \($0)" }
        }

        private static func value(of key: [UInt8], in map: SessionMap, now: UInt32) -> [UInt8]? {
            var value: [UInt8]?
            _ = map.retrieve(key.span, now: now) { hit in
                var bytes = [UInt8](repeating: 0, count: hit.valueByteCount)
                bytes.withUnsafeMutableBytes { hit.copyValue(into: $0) }
                value = bytes
                return .touched(nil)
            }
            return value
        }
    }
#endif
