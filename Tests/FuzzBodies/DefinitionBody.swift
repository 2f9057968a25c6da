#if DEBUG || Fuzzing
    import ClusterFile
    import HashRing
    import TestSupport

    /// Takes any bytes as a definition file: what is read, written for clients and read again says the same
    /// to them. Returns what is wrong.
    func checkDefinition(_ input: [UInt8]) -> String? {
        guard let text = String(validating: input, as: UTF8.self),
            let definition = try? ClusterDefinition(yaml: text, file: "a file")
        else { return nil }
        guard let written = definition.yamlForClients else {
            return definition.nodes.contains { $0.ringName != nil && $0.inPlaceOf == nil }
                ? nil : "it cannot be written: \(definition)"
        }
        let again: ClusterDefinition
        do {
            again = try ClusterDefinition(yaml: written, file: "what was written")
        } catch {
            return "\(error), of \(written)"
        }
        guard again.name == definition.name, again.nodes == definition.nodes,
            again.strategy == definition.strategy, again.keyHash == definition.keyHash,
            again.hashTag == definition.hashTag, again.copyCount == definition.copyCountForClients
        else { return "\(definition) became \(again)" }
        return nil
    }

    /// A definition that is mostly a right one.
    func randomDefinition(using generator: inout SeededGenerator) -> String {
        func isHit(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &generator) == 0 }
        var text = ""
        if isHit(2) { text += "name: shop\n" }
        if isHit(2) {
            let strategies = Ring.Strategy.allCases.map(\.rawValue) + ["nonsense"]
            text += "placement:\n  strategy: \(strategies.randomElement(using: &generator) ?? "")\n"
            if isHit(3) {
                let hashes = Ring.KeyHash.allCases.map(\.rawValue)
                text += "  hash: \(hashes.randomElement(using: &generator) ?? "")\n"
            }
            if isHit(3) { text += "  hash_tag: \"{}\"\n" }
        }
        if isHit(3) { text += "defaults: {port: 11212, memory: 2g, flags: [-v, \"-o x\"]}\n" }
        text += "nodes:\n"
        for number in 0..<Int.random(in: 1...4, using: &generator) {
            text += "- {host: \(isHit(8) ? "\"::1\"" : "10.0.0.\(number)")"
            if isHit(3) { text += ", name: n\(number)" }
            if isHit(3) { text += ", port: \(Int.random(in: 0...70_000, using: &generator))" }
            if isHit(4) { text += ", weight: \(Int.random(in: 0...300, using: &generator))" }
            if isHit(4) { text += ", memory: 512m, memory_file: /tmp/\(number)" }
            if isHit(6) { text += ", in_place_of: {host: old-\(number), port: 1}" }
            text += "}\n"
        }
        if isHit(3) { text += "copies: \(Int.random(in: 0...4, using: &generator))\n" }
        if isHit(20) { text += "nodes: *a\n" }
        return text
    }
#endif
