#if DEBUG || Fuzzing
    import TestSupport

    /// Moves, doubles, drops or puts in a part of what was taken apart.
    func rearrange<Part>(
        _ parts: inout [Part], using generator: inout SeededGenerator,
        making part: (inout SeededGenerator) -> Part
    ) {
        let place = Int.random(in: 0...parts.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: parts.insert(part(&generator), at: place)
        case 1:
            if let other = parts.randomElement(using: &generator) { parts.insert(other, at: place) }
        case 2: if !parts.isEmpty { parts.remove(at: place % parts.count) }
        case 3:
            if !parts.isEmpty {
                parts.swapAt(
                    place % parts.count, Int.random(in: 0..<parts.count, using: &generator))
            }
        default: if !parts.isEmpty { parts[place % parts.count] = part(&generator) }
        }
    }

    /// Numbers at which something changes.
    private let numbers = [
        "0", "1", "-1", "2", "10", "0x10", "00", "250", "251", "2047", "2048", "2049", "32767",
        "65535",
        "1048576", "2147483647", "-2147483648", "2147483648", "4294967295", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ].map { Array($0.utf8) }

    private func randomNumber(using generator: inout SeededGenerator) -> [UInt8] {
        numbers.randomElement(using: &generator) ?? []
    }

    /// Changes a word of a text, or puts another text's in: words end with a space, a line's end, or what a
    /// definition or a list of nodes puts between them.
    func mutateWords(
        of input: [UInt8], from random: (inout SeededGenerator) -> [UInt8],
        using generator: inout SeededGenerator
    ) -> [UInt8] {
        var words = words(of: input)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            if Bool.random(using: &generator), !words.isEmpty {
                let place = Int.random(in: 0..<words.count, using: &generator)
                words[place].text = randomNumber(using: &generator)
            } else {
                let others = FuzzWord.all(in: random(&generator))
                rearrange(&words, using: &generator) {
                    others.randomElement(using: &$0) ?? FuzzWord(text: [], end: nil)
                }
            }
        }
        return words.flatMap(\.bytes)
    }

    private func words(of input: [UInt8]) -> [FuzzWord] { FuzzWord.all(in: input) }

    /// A word, and the byte that ends it.
    private struct FuzzWord {
        var text: [UInt8]
        var end: UInt8?

        var bytes: [UInt8] { text + (end.map { [$0] } ?? []) }

        private static let ends = Set(" \r\n|,:{}[]\"".utf8)

        static func all(in input: [UInt8]) -> [FuzzWord] {
            var words: [FuzzWord] = []
            var text: [UInt8] = []
            for byte in input {
                if ends.contains(byte) {
                    words.append(FuzzWord(text: text, end: byte))
                    text = []
                } else {
                    text.append(byte)
                }
            }
            if !text.isEmpty { words.append(FuzzWord(text: text, end: nil)) }
            return words
        }
    }

    /// A command's line and, where it announces one, its data block as a `ConversationInput` keeps it.
    private struct FuzzCommand {
        var line: [UInt8]
        var block: [UInt8]?

        var bytes: [UInt8] { line + (block ?? []) }

        /// Which word of the line announces a data block.
        private static func lengthPlace(_ words: [ArraySlice<UInt8>]) -> Int? {
            let verbs = ["set", "add", "replace", "append", "prepend", "cas"]
            guard let verb = words.first.map({ String(decoding: $0, as: UTF8.self) }) else {
                return nil
            }
            let place = verb == "ms" ? 2 : verbs.contains(verb) ? 4 : nil
            return place.flatMap { $0 < words.count ? $0 : nil }
        }

        private var words: [ArraySlice<UInt8>] {
            line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        }

        static func all(in input: [UInt8]) -> [FuzzCommand] {
            var commands: [FuzzCommand] = []
            var rest = input[...]
            while !rest.isEmpty {
                let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
                var command = FuzzCommand(line: Array(rest[..<end]), block: nil)
                rest = rest[end...]
                if let byteCount = command.announcedByteCount {
                    let block = prefix(of: rest, sending: byteCount + 2)
                    command.block = Array(block)
                    rest = rest[block.endIndex...]
                }
                commands.append(command)
            }
            return commands
        }

        private var announcedByteCount: Int? {
            let words = words
            guard let place = Self.lengthPlace(words) else { return nil }
            let digits = words[place].prefix { $0 != 13 && $0 != 10 }
            return Int(String(decoding: digits, as: UTF8.self))
                .flatMap { (0...2_000_000).contains($0) ? $0 : nil }
        }

        /// As much of the input as stands for so many bytes, or for some more.
        private static func prefix(
            of input: ArraySlice<UInt8>, sending byteCount: Int
        ) -> ArraySlice<UInt8> {
            var place = input.startIndex
            var left = byteCount
            while left > 0, place < input.endIndex {
                let isRun = input[place] == ConversationInput.escape && place + 1 < input.endIndex
                left -= isRun ? max(1, ConversationInput.runByteCount(input[place + 1])) : 1
                place += isRun ? 2 : 1
            }
            return input[..<place]
        }

        /// Announces as many bytes as the data block has, or some that it has not.
        mutating func announce(wrongBy excess: Int) {
            var words = words
            guard let place = Self.lengthPlace(words), let block else { return }
            let end = words[place].drop { $0 != 13 && $0 != 10 }
            let byteCount = ConversationInput([0, 0] + block).sent.count - 2 + excess
            words[place] = Array("\(byteCount)".utf8)[...] + end
            line = Array(words.joined(separator: [UInt8(ascii: " ")]))
        }

        mutating func changeValue(using generator: inout SeededGenerator) {
            guard block != nil else { return }
            let isLarge = Bool.random(using: &generator)
            let runs = (0..<Int.random(in: 0...2, using: &generator)).flatMap { _ in
                [
                    ConversationInput.escape,
                    .random(in: isLarge ? 126...160 : 0...126, using: &generator),
                ]
            }
            block = runs + randomBytes(atMost: 8, using: &generator) + [13, 10]
            announce(wrongBy: 0)
        }

        mutating func changeWord(_ other: FuzzCommand, using generator: inout SeededGenerator) {
            var words = words
            guard !words.isEmpty else { return }
            let place = Int.random(in: 0..<words.count, using: &generator)
            let new =
                Bool.random(using: &generator)
                ? randomNumber(using: &generator)[...]
                : other.words.randomElement(using: &generator) ?? []
            words[place] = new
            line = Array(words.joined(separator: [UInt8(ascii: " ")]))
            if line.last != 10 { line += [13, 10] }
        }
    }

    /// Changes a conversation in text and meta: its commands, their words, lengths and data blocks.
    func mutateCommands(of input: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        func random(_ generator: inout SeededGenerator) -> FuzzCommand {
            let bytes = ConversationInput.packed(randomCommand(using: &generator))
            return FuzzCommand.all(in: Array(bytes.prefix(400))).first
                ?? FuzzCommand(line: [109, 110, 13, 10], block: nil)
        }
        var commands = FuzzCommand.all(in: input)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            guard !commands.isEmpty, Bool.random(using: &generator) else {
                rearrange(&commands, using: &generator, making: random)
                continue
            }
            let place = Int.random(in: 0..<commands.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: commands[place].changeValue(using: &generator)
            case 1: commands[place].announce(wrongBy: Int.random(in: -2...2, using: &generator))
            default: commands[place].changeWord(random(&generator), using: &generator)
            }
        }
        return commands.flatMap(\.bytes)
    }
#endif
