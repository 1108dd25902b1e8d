"""The methods beside `fast`: text recognition (`ocr`), the layout model (`layout`), the choice by page (`auto`)."""
