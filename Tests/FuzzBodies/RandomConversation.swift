#if DEBUG || Fuzzing
    import TestSupport

    @testable import NodeStage

    /// Bytes that look a little like a conversation. Their lines are short enough to be served however
    /// they arrive, and nothing in them asks for the time.
    func randomConversation(using generator: inout SeededGenerator) -> [UInt8] {
        var input: [UInt8] = []
        let count = Int.random(in: 1...30, using: &generator)
        for _ in 0..<count { input += randomCommand(using: &generator) }
        // Now and then a byte is another.
        for _ in 0..<Int.random(in: 0...3, using: &generator) where Bool.random(using: &generator) {
            let place = Int.random(in: 0..<input.count, using: &generator)
            input[place] = .random(in: .min ... .max, using: &generator)
        }
        return input
    }

    private func randomKey(using generator: inout SeededGenerator) -> String {
        let keys = ["a", "b", "p:a", "p:b", "n", String(repeating: "k", count: 250)]
        if Int.random(in: 0..<30, using: &generator) == 0 {
            return String(repeating: "k", count: 251)
        }
        return keys.randomElement(using: &generator) ?? "a"
    }

    private func randomNumber(using generator: inout SeededGenerator) -> String {
        // No moment to come as a Unix time: how far away that is depends on when it is asked.
        let numbers = [
            "0", "1", "5", "-1", "100", "2592000", "2592001", "2678400", "999999999", "1000000000",
            "4294967296", "18446744073709551615", "x", "",
        ]
        return numbers.randomElement(using: &generator) ?? "0"
    }

    func randomCommand(using generator: inout SeededGenerator) -> [UInt8] {
        let key = randomKey(using: &generator)
        let number = randomNumber(using: &generator)
        let quiet = Int.random(in: 0..<4, using: &generator) == 0 ? " noreply" : ""
        let end = Int.random(in: 0..<8, using: &generator) == 0 ? "\n" : "\r\n"
        switch Int.random(in: 0..<20, using: &generator) {
        case 0...4: return randomStore(key, quiet, using: &generator)
        case 16...19: return randomMetaCommand(using: &generator)
        case 5: return bytes("get \(key) \(randomKey(using: &generator))\(end)")
        case 6: return bytes("gets \(key)\(end)")
        case 7: return bytes("gat \(number) \(key)\(end)")
        case 8: return bytes("incr \(key) \(number)\(quiet)\(end)")
        case 9: return bytes("decr \(key) \(number)\(quiet)\(end)")
        case 10: return bytes("delete \(key)\(quiet)\(end)")
        case 11: return bytes("touch \(key) \(number)\(quiet)\(end)")
        case 12:
            let others = [
                "flush_all", "flush_all 0", "flush_all -1", "flush_all 10", "flush_all x",
                "version",
                "verbosity 2", "mn", "stats detail on", "stats detail dump", "stats detail off",
                "stats reset", "shutdown", "cache_memlimit 64", "cache_memlimit 7", "nonsense",
                "stats what", "gats", "get", "slabs automove 0", "slabs reassign 1 2",
                "lru tune 1 2 3 4", "lru_crawler enable", "lru_crawler disable",
                "lru_crawler crawl 1",
                "lru_crawler mgdump 9", "lru_crawler metadump x", "watch nonsense", "refresh_certs",
            ]
            return bytes((others.randomElement(using: &generator) ?? "mn") + quiet + end)
        case 13:
            return bytes(
                ["\r\n", "\n", " get a\r\n", "a\r\n"].randomElement(using: &generator) ?? "")
        case 14:
            // A get of many keys.
            let count = Int.random(in: 1...200, using: &generator)
            return bytes("get" + String(repeating: " a b", count: count) + end)
        default:
            if Int.random(in: 0..<40, using: &generator) == 0 { return bytes("quit\r\n") }
            let count = Int.random(in: 0...60, using: &generator)
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) } + [
                10
            ]
        }
    }

    private func randomStore(
        _ key: String, _ quiet: String, using generator: inout SeededGenerator
    ) -> [UInt8] {
        let verbs = ["set", "set", "set", "add", "replace", "append", "prepend", "cas"]
        let verb = verbs.randomElement(using: &generator) ?? "set"
        let counts = [0, 1, 2, 10, 500, 16_350, 16_370, 20_000, 40_000, 600_000, 1_100_000]
        let isLarge = Int.random(in: 0..<6, using: &generator) == 0
        let bound = isLarge ? counts.count : 5
        let count = counts[Int.random(in: 0..<bound, using: &generator)]
        let unique = verb == "cas" ? " \(Int.random(in: 0...5, using: &generator))" : ""
        let flags = Int.random(in: 0..<10, using: &generator) == 0 ? "x" : "3"
        let exptime = Int.random(in: 0..<3, using: &generator) == 0 ? "-1" : "0"
        // The length is wrong now and then.
        let wrong = Int.random(in: 0..<12, using: &generator) == 0 ? 1 : 0
        let end = Int.random(in: 0..<15, using: &generator) == 0 ? "\n" : "\r\n"
        return bytes("\(verb) \(key) \(flags) \(exptime) \(count + wrong)\(unique)\(quiet)\r\n")
            + numbersInLines(count) + bytes(end)
    }

    /// A meta command, mostly with flags that have a meaning to it.
    private func randomMetaCommand(using generator: inout SeededGenerator) -> [UInt8] {
        let end = Int.random(in: 0..<8, using: &generator) == 0 ? "\n" : "\r\n"
        let isEncoded = Int.random(in: 0..<6, using: &generator) == 0
        let key = isEncoded ? "YQ==" : randomKey(using: &generator)
        let verb =
            ["mg", "mg", "ms", "ms", "md", "ma", "me"].randomElement(using: &generator) ?? "mn"
        var flags = isEncoded ? " b" : ""
        for flag in "stcfhlukqvxIOTNRCEFMJD".shuffled(using: &generator).prefix(
            Int.random(in: 0...5, using: &generator))
        {
            flags += " \(flag)"
            switch flag {
            case "T", "N", "R", "C", "E", "F", "J", "D":
                flags += randomNumber(using: &generator)
            case "M":
                flags +=
                    ["E", "A", "P", "R", "S", "I", "-", "x"].randomElement(using: &generator) ?? ""
            case "O":
                flags += String(repeating: "o", count: Int.random(in: 0...33, using: &generator))
            default: break
            }
        }
        guard verb == "ms" else { return bytes("\(verb) \(key)\(flags)\(end)") }
        let counts = [0, 1, 10, 500, 16_370, 20_000, 40_000, 600_000, 1_100_000]
        let isLarge = Int.random(in: 0..<6, using: &generator) == 0
        let count = counts[Int.random(in: 0..<(isLarge ? counts.count : 4), using: &generator)]
        let wrong = Int.random(in: 0..<12, using: &generator) == 0 ? 1 : 0
        return bytes("ms \(key) \(count + wrong)\(flags)\(end)") + numbersInLines(count)
            + bytes("\r\n")
    }

    /// A value whose lines, were they read as commands, are short.
    func numbersInLines(_ count: Int) -> [UInt8] {
        var value = [UInt8](repeating: UInt8(ascii: "7"), count: count)
        for place in stride(from: 700, to: count, by: 700) { value[place] = 10 }
        return value
    }
#endif
