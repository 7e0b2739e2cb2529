module github.com/daypass/daypass

go 1.26
