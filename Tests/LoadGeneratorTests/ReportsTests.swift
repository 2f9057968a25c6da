import Reports
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ReportsTests {
    @Test("Numbers are written as people read them")
    func figures() {
        #expect([0, 999, 1_000, -1_000].map(\.grouped) == ["0", "999", "1,000", "-1,000"])
        #expect(1_234_567.grouped == "1,234,567")
        let short = [1_234.5, 99.94, 9.994, 0.0004].map(\.short)
        #expect(short == ["1,235", "99.9", "9.99", "0.000"])
        #expect((1.0 / 3).fixed(2) == "0.33" && (-2.5).fixed(1) == "-2.5" && 7.6.fixed(0) == "8")
        #expect(0.1234.percent == "12.3 %")
        #expect(2.0.shortest == "2" && 0.25.shortest == "0.25")
    }

    @Test("A table's columns are as wide as their widest cell; a last one of text is to the left")
    func table() {
        var numbers = TextTable(["", "right"])
        numbers.add(["get", "1,000"])
        numbers.add(["a set", "7"])
        #expect(numbers.text == "       right\nget    1,000\na set      7")
        var words = TextTable(["node", "why"], endsWithText: true)
        words.add(["a", "no answer"])
        #expect(words.text == "node  why\na     no answer")
    }

    @Test("A drawing is a whole file, and what users named does not become a part of it")
    func drawing() {
        var drawing = Drawing()
        drawing.text("<&>", x: 1, y: 2)
        drawing.offset = 100
        drawing.bar(x: 0, y: 1, width: 2, height: 3, title: "a<b")
        drawing.line([(0, 0), (1, 1)])
        let file = drawing.document(width: 10, height: 200)
        #expect(file.hasPrefix("<svg ") && file.hasSuffix("</svg>\n"))
        #expect(file.contains(">&lt;&amp;&gt;</text>") && file.contains("<title>a&lt;b</title>"))
        #expect(file.contains("y=\"101.0\"") && file.contains("points=\"0.0,100.0 1.0,101.0\""))
    }
}
