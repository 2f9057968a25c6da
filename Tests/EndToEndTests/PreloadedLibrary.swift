import TestSupport

/// What is put in front of a node's libraries, made of a C file beside the tests.
enum PreloadedLibrary {
    /// - Returns: its path, beside the programs that were built with the tests.
    static func make(of name: String) throws -> String {
        let path = try RunningNode.builtProgram("sojournd") + "-\(name).so"
        let folder = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
        let result = try Program.run(
            "/usr/bin/env",
            ["clang", "-shared", "-fPIC", "-O1", "-o", path, "\(folder)/\(name).c", "-ldl"])
        guard result.exit == .status(0) else { throw Trouble(result.errors) }
        return path
    }
}
