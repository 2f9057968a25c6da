#if DEBUG || Fuzzing
    import SessionValues
    import TestSupport

    /// What frameworks store of a session, with a rule of how its user is found there. The first byte chooses the
    /// rule, the second one how the value is cut.
    private let rules = [
        "php: u", "php: a.u", "php_binary: u", "igbinary: a.u", "json: u", "json: a[1].u", "django",
        "pickle: u", "rails: u", "rails: a[1]", "rails-json", "bytes: u=([a-z0-9]+);",
        "bytes: (u+)[^a]*b?x$",
        "key: u", "php_plain: u",
    ].compactMap { try? UserRule($0) }

    private func find(
        _ finder: inout UserFinder, _ value: [UInt8], _ cuts: Cuts
    ) -> (UserFinder.Finding, [UInt8]) {
        var start = 0
        // Each in memory of its own: a reading beyond it is seen.
        let pieces = cuts.lengths(of: value.count).map { length in
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
            piece.copyBytes(from: value[start..<start + length])
            start += length
            return UnsafeRawBufferPointer(piece)
        }
        defer { for piece in pieces { piece.deallocate() } }
        let finding = pieces.withUnsafeBufferPointer { pieces in
            value.withUnsafeBytes { finder.find(in: pieces, key: $0, clientFlags: 0) }
        }
        return (finding, finder.user)
    }

    /// Returns what is wrong.
    func checkValue(_ input: [UInt8]) -> String? {
        guard input.count >= 2 else { return nil }
        let value = Array(input.dropFirst(2))
        let rule = rules[Int(input[0]) % rules.count]
        let cut = Int(input[1])
        let cuts: Cuts =
            cut & 1 == 0
            ? .pieces(byteCount: 1 + cut / 2 % 9) : .once(at: cut / 2 % (value.count + 1))
        var finder = UserFinder(rule)
        let whole = find(&finder, value, .whole)
        let parts = find(&finder, value, cuts)
        guard whole == parts else { return "\(rule): \(whole), and \(cuts): \(parts)" }
        guard whole.0 == .user || whole.1.isEmpty, whole.1.count <= UserFinder.userByteCountMax
        else { return "\(rule): \(whole.0), and a user of \(whole.1.count) bytes" }
        guard whole.0 != .user || !whole.1.isEmpty else { return "\(rule): an empty user" }
        return nil
    }

    private func randomTree(
        using generator: inout SeededGenerator, depth: Int = 0
    ) -> (php: String, json: String) {
        switch Int.random(in: 0..<(depth > 3 ? 4 : 6), using: &generator) {
        case 0: return ("i:\(depth);", "\(depth)")
        case 1: return ("N;", "null")
        case 2: return ("s:3:\"ann\";", "\"ann\"")
        case 3: return ("d:0.5;", "\"\\u0075\"")
        default:
            let count = Int.random(in: 0...3, using: &generator)
            var (php, json) = ("", [String]())
            for number in 0..<count {
                let name = ["u", "a", "b"].randomElement(using: &generator) ?? "u"
                let value = randomTree(using: &generator, depth: depth + 1)
                php += (number & 1 == 0 ? "s:1:\"\(name)\";" : "i:\(number);") + value.php
                json.append("\"\(name)\":\(value.json)")
            }
            return ("a:\(count):{\(php)}", "{\(json.joined(separator: ","))}")
        }
    }

    /// A value of one of the forms, mostly right.
    func randomValue(using generator: inout SeededGenerator) -> [UInt8] {
        let tree = randomTree(using: &generator)
        let heads = randomBytes(2, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: return [0, heads[1]] + Array("a|\(tree.php)u|\(tree.php)".utf8)
        case 1:
            return [0, heads[1]] + Array("a:2:{s:1:\"a\";\(tree.php)s:1:\"u\";\(tree.php)}".utf8)
        case 2: return [4, heads[1]] + Array("{\"a\":[1,\(tree.json)],\"u\":\(tree.json)}".utf8)
        default: return heads + Array("u=ann; \(tree.php)".utf8)
        }
    }
#endif
