#if DEBUG || Fuzzing
    import TestSupport

    func times(_ count: Int, _ text: String = "k") -> String {
        String(repeating: text, count: count)
    }

    /// What lines are made of.
    private enum LineWords {
        static let numbers = [
            "0", "1", "7", "00000000001", "000000000001", "-1", "-0", "--1", "-", "+1", "1x", "x1",
            "2147483645", "2147483646", "2147483647", "-2147483648", "-2147483649", "2147483648",
            "4294967295", "4294967296", "99999999999", "18446744073709551615",
            "18446744073709551616", times(22, "0"), times(23, "0"), "noreply",
        ]
        static let gaps = [" ", " ", " ", "  ", "\t"]
        static let words = [
            "get", "gets", "gat", "gats", "set", "add", "replace", "append", "prepend", "cas",
            "delete", "touch", "incr", "decr", "flush_all", "version", "verbosity",
            "cache_memlimit", "shutdown", "graceful", "mn", "debugtime", "p", "r", "lru", "tune",
            "lru_crawler", "crawl",
            "metadump", "all", "1,2,63", "slabs", "automove", "ratio", "reassign", "watch",
            "fetchers",
            ".5", "1e9", "stats", "detail",
            "dump", "cachedump", "settings", "reset", "quit", "noreply", "k", "HTTP/1.1", "0", "1",
            "-1", "10", "2147483645", "2147483647", "4294967296", "18446744073709551615", "", " ",
            times(249), times(250), times(251), times(23, "9"),
        ]
        static let metaVerbs = ["mg", "ms", "md", "ma", "me", "mn", "mx"]
        static let keys = [
            "k", "Zm9v", "YQ==", "YQ", "%%%%", times(250), times(251), times(62, "YWFh"),
        ]
        static let lengths = [
            "0", "5", "0005", "-1", "x", "2147483645", "2147483646", "99999999999999",
        ]
        static let tokens = [
            "", "0", "1", "-1", "30", "2147483647", "2147483648", "4294967295", "4294967296",
            "18446744073709551615", "18446744073709551616", "x", "E", times(31, "o"),
            times(32, "o"),
        ]
        static let letters = Array("bcfhklqstuvxCDEFIJMNORTPLaSZ1_!".unicodeScalars)
    }

    /// A storage command's line, mostly a right one.
    private func randomStorageLine(using generator: inout SeededGenerator) -> [UInt8] {
        var words = [
            ["set", "add", "replace", "append", "prepend", "cas", "sets", "se"]
                .randomElement(using: &generator) ?? "",
            ["k", times(250), times(251)].randomElement(using: &generator) ?? "",
        ]
        for _ in 0..<Int.random(in: 2...6, using: &generator) {
            let isPlain = Int.random(in: 0..<3, using: &generator) > 0
            words.append(isPlain ? "0" : LineWords.numbers.randomElement(using: &generator) ?? "")
        }
        if Bool.random(using: &generator) { words.append("noreply") }
        var line = words.reduce(into: "") {
            $0 += ($0.isEmpty ? "" : LineWords.gaps.randomElement(using: &generator) ?? "") + $1
        }
        if Int.random(in: 0..<8, using: &generator) == 0 { line += " " }
        return Array(line.utf8)
    }

    /// A line that looks a little like a command.
    func randomLine(using generator: inout SeededGenerator) -> [UInt8] {
        if Int.random(in: 0..<4, using: &generator) == 0 {
            let count = Int.random(in: 0...300, using: &generator)
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        }
        switch Int.random(in: 0..<6, using: &generator) {
        case 0, 1: return randomMetaLine(using: &generator)
        case 2, 3: return randomStorageLine(using: &generator)
        default: break
        }
        let count = Int.random(in: 1...9, using: &generator)
        var line = Array(
            (0..<count).map { _ in LineWords.words.randomElement(using: &generator) ?? "" }
                .joined(separator: " ").utf8)
        if Int.random(in: 0..<3, using: &generator) == 0,
            let place = line.indices.randomElement(using: &generator)
        {
            line[place] = .random(in: .min ... .max, using: &generator)
        }
        return line.filter { $0 != 10 }
    }

    /// A line that looks a little like a meta command.
    func randomMetaLine(using generator: inout SeededGenerator) -> [UInt8] {
        func pick(_ all: [String]) -> String { all.randomElement(using: &generator) ?? "" }
        let verb = pick(LineWords.metaVerbs)
        var words = [verb, pick(LineWords.keys)]
        if verb == "ms" { words.append(pick(LineWords.lengths)) }
        let most = Int.random(in: 0..<8, using: &generator) == 0 ? 30 : 5
        for _ in 0..<Int.random(in: 0...most, using: &generator) {
            guard let letter = LineWords.letters.randomElement(using: &generator) else { continue }
            words.append(
                "\(letter)" + (Bool.random(using: &generator) ? "" : pick(LineWords.tokens)))
        }
        return Array(words.joined(separator: " ").utf8)
    }
#endif
